// Momentum that grows with the delay: a mean over as many gradients as an oscillation that the delay causes is long.
#pragma once

#include <algorithm>
#include <cmath>

#include <foal/core/config.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

/// Base with mu = min(1 - 1 / max(least, per_delay tau), most) in place of its momentum (beta1), tau the stage's mean
/// forward delay in updates; with `discount` the rate of a momentum that sums is multiplied by (1 - mu) / (1 - mu at no
/// delay), so that a gradient moves the weights as far as without delay; one that averages (beta1) needs none. No memory
/// beside Base's. Base is elementwise or takes whole parameters, and has a public `momentum` or `beta1`.
template <optimizer Base>
struct delay_matched {
  static_assert(
      requires(Base b) { b.momentum; } || requires(Base b) { b.beta1; },
      "foal: cannot match the momentum of this Base to delays, because it has none; give it a public member momentum or "
      "beta1");
  using role = foal::role::optimizer;
  static constexpr char const* name = "delay matched";
  static constexpr int states = Base::states;
  static constexpr bool per_parameter = takes_parameters<Base>;
  Base base{};
  double least = 10, per_delay = 1, most = 0.99;
  bool discount = true;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("least", least);
    f("per_delay", per_delay);
    f("most", most);
    f("discount", discount);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("base", base);
  }
  double momentum_at(double tau) const { return std::min(1 - 1 / std::max(least, per_delay * tau), most); }

  /// rule...: of the parameter, where Base has rules (optim/rule.hpp).
  template <class S, class... Rule>
    requires elementwise<Base>
  auto prepare(moment m, Rule... rule) const {
    Base const b = matched(m);
    return prepare_at<S>(b, m, rule...);
  }
  parameter_rule rule(parameter_view const& p) const
    requires has_rules<Base>
  {
    return base.rule(p);
  }
  template <class D, class S>
  void step(D& device, shape extent, S* w, S* g, S* const* states_of, S* scratch, moment m) const
    requires steps_on<Base, D, S>
  {
    matched(m).step(device, extent, w, g, states_of, scratch, m);
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
  /// With the largest momentum, which bounds every smaller one.
  template <class S, class... Rule>
    requires bounds_itself<Base, S>
  void bound(double rate, long long t, magnitudes& m, Rule... rule) const {
    with(most).template bound<S>(rate, t, m, rule...);
  }
  void check() const {
    if constexpr (requires { base.check(); }) base.check();
    require_number(std::isfinite(least) && least >= 1, name, "least", least, "1 or more");
    require_number(std::isfinite(per_delay) && per_delay >= 0, name, "per_delay", per_delay, "0 or more");
    require_number(most >= 0 && most < 1, name, "most", most, "at least 0 and below 1");
  }

 private:
  static constexpr bool sums_ = requires(Base b) { b.momentum; } && elementwise<Base> && !sees_moment<Base>;

  Base with(double mu) const {
    Base b = base;
    if constexpr (requires { b.momentum; })
      b.momentum = mu;
    else
      b.beta1 = mu;
    return b;
  }
  Base matched(moment& m) const {
    double const mu = momentum_at(m.tau_fwd);
    if (sums_ && discount) m.rate *= (1 - mu) / (1 - momentum_at(0));
    return with(mu);
  }
};

}  // namespace foal::optim
