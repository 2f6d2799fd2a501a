// Live look-ahead: the weights themselves run ahead of where the optimizer's steps have brought them. With no memory it is
// the error feedback of "One-Step Delay" (Zmushko et al., ICML 2026, arXiv 2606.30634).
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

/// With s the optimizer's step and delta its running mean, delta' = gamma delta + (1 - gamma) s:
///   w <- w + s + h (delta' - delta),   h = horizon * tau_fwd, or with fade < 1 horizon * the sum of fade^k, k = 1 ..
///   tau_fwd:
/// how far a step carries that loses a part of itself at each update to come, so that a long delay is not looked through
/// along steps that will not last.
/// w = y + h delta, y being the sum of all steps: every op reads the prediction, with any optimizer and beside any
/// versions, and no room for predicted weights is needed. gamma = 0 at a delay of 1 is w_{t+1} = w_t - 2 u_{t-1} + u_{t-2}.
/// y = w - h delta is what to evaluate: read_out() of a trainer. Memory: W.
struct live_look_ahead {
  using role = foal::role::delay;
  static constexpr char const* name = "live look-ahead";
  static constexpr int states = 1;
  static constexpr scope states_of = scope::all;
  double horizon = 1;  ///< in delays of the stage
  double gamma = 0;    ///< what delta keeps of itself
  double fade = 1;     ///< what a step keeps of itself from one update to the next

  template <class F>
  constexpr void numbers(F&& f) const {
    f("horizon", horizon);
    f("gamma", gamma);
    f("fade", fade);
  }
  void check() const {
    require_number(std::isfinite(horizon) && horizon >= 0, name, "horizon", horizon, "0 or more");
    require_number(gamma >= 0 && gamma < 1, name, "gamma", gamma, "at least 0 and below 1");
    require_number(fade > 0 && fade <= 1, name, "fade", fade, "above 0 and at most 1");
  }
  /// h: in steps.
  double ahead(moment const& m) const {
    if (!(fade < 1)) return horizon * m.tau_fwd;
    return horizon * fade * (1 - std::pow(fade, m.tau_fwd)) / (1 - fade);
  }

  template <class S>
  struct run_ahead {
    S turn;  ///< h (1 - gamma)
    FOAL_HOST_DEVICE S operator()(S after, S before, S, S const& delta) const {
      return after + turn * ((after - before) - delta);
    }
  };
  template <class S>
  run_ahead<S> move(moment m) const {
    return {static_cast<S>(ahead(m) * (1 - gamma))};
  }
  template <class S>
  struct average {
    S gamma, rest;
    FOAL_HOST_DEVICE void operator()(S before, S after, S& delta) const { delta = gamma * delta + rest * (after - before); }
  };
  template <class S>
  average<S> after_update(moment) const {
    return {static_cast<S>(gamma), static_cast<S>(1 - gamma)};
  }
  template <class S>
  struct go_back {
    S ahead;
    FOAL_HOST_DEVICE S operator()(S w, S const& delta) const { return w - ahead * delta; }
  };
  template <class S>
  go_back<S> read_out(moment m) const {
    return {static_cast<S>(ahead(m))};
  }
};

}  // namespace foal::delay
