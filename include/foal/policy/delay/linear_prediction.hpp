// Linear weight prediction (Kosson, Chiley, Venigalla, Hestness, Koster, "Pipelined Backpropagation at Scale", MLSys 2021,
// arXiv 2003.11666, section 3.2): F reads what the weights will be if they go on as they did.
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>
#include <foal/policy/delay/direction.hpp>

namespace foal::delay {

/// The velocity form, LWP_v: F reads w - T rate d, d being the optimizer's direction (momentum: v) and T = horizon *
/// tau_fwd; B reads w. Memory: none beside the room for what F reads.
template <class Direction = direction::of_momentum>
struct velocity_prediction {
  using role = foal::role::delay;
  static constexpr char const* name = "velocity prediction";
  static constexpr int states = 0;
  static constexpr int sees_optimizer_states = Direction::states;
  static constexpr scope states_of = scope::all;
  double horizon = 1;
  Direction direction{};

  template <class F>
  constexpr void numbers(F&& f) const {
    f("horizon", horizon);
    f("direction", direction);
  }
  static constexpr void bound(double, double, double*) {}
  void check() const {
    require_number(std::isfinite(horizon) && horizon >= 0, name, "horizon", horizon, "0 or more");
    direction.check();
  }
  template <class S>
  auto forward_weight(moment m) const {
    return direction::predict<S>(direction, horizon * m.tau_fwd * m.rate, m.updates);
  }
};

/// The weight form, LWP_w: F reads w + T (w - w of the update before), T = horizon * tau_fwd; B reads w. For any optimizer.
/// Memory: W.
struct difference_prediction {
  using role = foal::role::delay;
  static constexpr char const* name = "difference prediction";
  static constexpr int states = 1;
  static constexpr scope states_of = scope::all;
  double horizon = 1;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("horizon", horizon);
  }
  static constexpr void bound(double before, double after, double* state) { state[0] = before + after; }
  void check() const { require_number(std::isfinite(horizon) && horizon >= 0, name, "horizon", horizon, "0 or more"); }

  template <class S>
  struct repeat {
    S steps;
    FOAL_HOST_DEVICE S operator()(S w, S const& last) const { return w + steps * last; }
  };
  template <class S>
  repeat<S> forward_weight(moment m) const {
    return {static_cast<S>(horizon * m.tau_fwd)};
  }
  template <class S>
  struct keep {
    FOAL_HOST_DEVICE void operator()(S before, S after, S& last) const { last = after - before; }
  };
  template <class S>
  keep<S> after_update(moment) const {
    return {};
  }
};

}  // namespace foal::delay
