// Any of foal's optimizers as a value, so that one trainer type serves all of them and is compiled once.
#pragma once

#include <variant>

#include <foal/device/host.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/adan.hpp>
#include <foal/policy/optim/asynchronous_nesterov.hpp>
#include <foal/policy/optim/basis_rotation.hpp>
#include <foal/policy/optim/delay_matched.hpp>
#include <foal/policy/optim/ema_nesterov.hpp>
#include <foal/policy/optim/lamb.hpp>
#include <foal/policy/optim/lion.hpp>
#include <foal/policy/optim/matrices_apart.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/muon.hpp>
#include <foal/policy/optim/nadam.hpp>
#include <foal/policy/optim/slowed_by_delay.hpp>

namespace delay_lab {

/// A whole-parameter optimizer of float on the host that is, by its value, one of these: the same states and the same steps,
/// an elementwise one in a pass of its own.
struct any_optimizer {
  using role = foal::role::optimizer;
  static constexpr char const* name = "any optimizer";
  static constexpr int states = 4;  ///< at most: those that the chosen one lacks have no elements
  static constexpr bool per_parameter = true;

  using one_of =
      std::variant<foal::optim::momentum, foal::optim::adamw, foal::optim::nadam, foal::optim::asynchronous_nesterov,
                   foal::optim::lion, foal::optim::adan, foal::optim::lamb, foal::optim::ema_nesterov<foal::optim::adamw>,
                   foal::optim::orthogonal_momentum, foal::optim::rotated_adam,
                   foal::optim::delay_matched<foal::optim::momentum>, foal::optim::delay_matched<foal::optim::adamw>,
                   foal::optim::delay_matched<foal::optim::orthogonal_momentum>,
                   foal::optim::slowed_by_delay<foal::optim::adamw>,
                   foal::optim::slowed_by_delay<foal::optim::delay_matched<foal::optim::orthogonal_momentum>>>;
  one_of chosen{};

  template <class F>
  constexpr void numbers(F&& f) const {
    std::visit([&f](auto const& o) { f("chosen", o); }, chosen);
  }
  void check() const;
  long long state_size(int state, foal::shape extent) const;
  long long scratch_size(foal::shape extent) const;

  template <class D, class S>
  void step(D& device, foal::shape extent, S* w, S* g, S* const* of_states, S* scratch, foal::optim::moment m) const {
    step_on_host(device, extent, w, g, of_states, scratch, m);
  }
  template <class S>
  void bound(foal::shape extent, foal::optim::moment m, foal::optim::magnitudes& of) const {
    bound_of_float(extent, m, of);
  }

 private:
  void step_on_host(foal::device::host& device, foal::shape extent, float* w, float* g, float* const* of_states,
                    float* scratch, foal::optim::moment m) const;
  void bound_of_float(foal::shape extent, foal::optim::moment m, foal::optim::magnitudes& of) const;
};

/// One for matrices of hidden layers, one for the rest.
using optimizers = foal::optim::matrices_apart<any_optimizer, any_optimizer>;

}  // namespace delay_lab
