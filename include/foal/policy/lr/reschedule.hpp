// T1, PipeMare's learning-rate rescheduling (Yang et al. 2021, section 3.1), over any base rate.
#pragma once

#include <algorithm>
#include <cmath>

#include <foal/policy/lr/concept.hpp>

namespace foal::lr {

/// lr_s = base(update) / max(tau_s, floor)^p with p = 1 - min(k / K, 1), k updates since the asynchronous phase began;
/// p = 0 if K = 0. floor = 0 is the printed formula, which raises the rate of stages with tau < 1; where
/// max(tau, floor) = 0 the factor is 1.
template <learning_rate Base>
struct reschedule {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "T1";
  static constexpr bool needs_delay = true;
  Base base{};
  long long steps = 0;  ///< K
  double floor = 1;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("steps", steps);
    f("floor", floor);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("base", base);
  }
  double exponent(long long k) const {
    return steps > 0 ? 1 - std::min(static_cast<double>(k) / static_cast<double>(steps), 1.0) : 0.0;
  }
  double at(moment m) const {
    double const slow = std::max(m.tau, floor);
    double const rate = base.at(m);
    return m.asynchronous && slow > 0 ? rate / std::pow(slow, exponent(m.since)) : rate;
  }
  void check() const {
    if constexpr (requires { base.check(); }) base.check();
    require_number(steps >= 0, name, "steps", static_cast<double>(steps), "0 or more");
    require_number(std::isfinite(floor) && floor >= 0, name, "floor", floor, "0 or more");
  }
};

}  // namespace foal::lr
