// A rate that falls with a stage's delay, for those parameters alone whose optimizer it wraps: the vectors and embeddings
// beside matrices, say, whose elements one by one bear less delay than matrices do as a whole.
#pragma once

#include <algorithm>
#include <cmath>

#include <foal/core/config.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

/// Base with rate / max(1, tau)^power for the rate, tau the stage's mean forward delay in updates. As lr::staleness_aware at
/// a power of 1, which is for all parameters. No memory beside Base's. Base is elementwise, in groups too (optim::grouped),
/// or takes whole parameters.
template <optimizer Base>
struct slowed_by_delay {
  using role = foal::role::optimizer;
  static constexpr char const* name = "slowed by delay";
  static constexpr int states = Base::states;
  static constexpr bool per_parameter = takes_parameters<Base>;
  Base base{};
  double power = 0.5;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("power", power);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("base", base);
  }

  /// rule...: of the parameter, where Base has rules (optim::grouped).
  template <class S, class... Rule>
    requires elementwise<Base>
  auto prepare(moment m, Rule... rule) const {
    return prepare_at<S>(base, slowed(m), rule...);
  }
  parameter_rule rule(parameter_view const& p) const
    requires has_rules<Base>
  {
    return base.rule(p);
  }
  template <class D, class S>
    requires steps_on<Base, D, S>
  void step(D& device, shape extent, S* w, S* g, S* const* states_of, S* scratch, moment m) const {
    base.step(device, extent, w, g, states_of, scratch, slowed(m));
  }
  constexpr long long state_size(int k, shape extent) const
    requires takes_parameters<Base>
  {
    return state_size_of(base, k, extent);
  }
  constexpr long long scratch_size(shape extent) const
    requires takes_parameters<Base>
  {
    return scratch_size_of(base, extent);
  }
  /// At the whole rate, which bounds every smaller one.
  template <class S, class... Rule>
    requires bounds_itself<Base, S>
  void bound(double rate, long long t, magnitudes& m, Rule... rule) const {
    base.template bound<S>(rate, t, m, rule...);
  }
  template <class S>
    requires bounds_parameters<Base, S>
  void bound(shape extent, moment m, magnitudes& of) const {
    base.template bound<S>(extent, m, of);
  }
  void check() const {
    if constexpr (requires { base.check(); }) base.check();
    require_number(std::isfinite(power) && power >= 0, name, "power", power, "0 or more");
  }

 private:
  moment slowed(moment m) const {
    m.rate /= std::pow(std::max(1.0, m.tau_fwd), power);
    return m;
  }
};

}  // namespace foal::optim
