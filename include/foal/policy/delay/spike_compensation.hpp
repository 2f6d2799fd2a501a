// Spike compensation (Kosson et al., "Pipelined Backpropagation at Scale", MLSys 2021, arXiv 2003.11666, section 3.1): a
// late gradient makes up at once for the steps that it would have had a part in.
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

/// With optim::momentum, v <- b v + g: w <- w - rate (b^D v + (1 - b^D) / (1 - b) g), D = tau_fwd, in place of w - rate v.
/// Over all time a gradient has the same weight as without delay. g is without the optimizer's weight decay. Memory: none.
struct spike_compensation {
  using role = foal::role::delay;
  static constexpr char const* name = "spike compensation";
  static constexpr int states = 0;
  static constexpr int sees_optimizer_states = 1;
  static constexpr scope states_of = scope::all;
  double momentum = 0.9;  ///< b, the optimizer's

  template <class F>
  constexpr void numbers(F&& f) const {
    f("momentum", momentum);
  }
  void check() const { require_number(momentum >= 0 && momentum < 1, name, "momentum", momentum, "at least 0 and below 1"); }

  template <class S>
  struct compensate {
    S of_velocity, of_gradient;  ///< rate (b^D - 1), rate (1 - b^D) / (1 - b)
    FOAL_HOST_DEVICE S operator()(S after, S, S g, S const& v) const { return after - (of_velocity * v + of_gradient * g); }
  };
  template <class S>
  compensate<S> move(moment m) const {
    double const gone = 1 - std::pow(momentum, m.tau_fwd);
    return {static_cast<S>(-m.rate * gone), static_cast<S>(m.rate * gone / (1 - momentum))};
  }
};

}  // namespace foal::delay
