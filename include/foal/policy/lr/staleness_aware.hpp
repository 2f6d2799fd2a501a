// Staleness-aware asynchronous SGD's rate (Zhang, Gupta, Lian, Liu, IJCAI 2016, arXiv 1511.05950), over any base rate.
#pragma once

#include <foal/policy/lr/concept.hpp>

namespace foal::lr {

/// lr_s = base(update) / max(1, tau_s), for the whole run: T1 without annealing, and its ancestor. By single microbatches:
/// delay::staleness_aware.
template <learning_rate Base>
struct staleness_aware {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "staleness_aware";
  static constexpr bool needs_delay = true;
  Base base{};

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("base", base);
  }
  double at(moment m) const { return m.asynchronous && m.tau > 1 ? base.at(m) / m.tau : base.at(m); }
  void check() const {
    if constexpr (requires { base.check(); }) base.check();
  }
};

}  // namespace foal::lr
