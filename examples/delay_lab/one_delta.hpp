// Live look-ahead and T2 by one array: a delay policy of one's own.
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace delay_lab {

/// With s the optimizer's step: w <- w + s + h (delta' - delta), delta' = gamma delta + (1 - gamma) s, h = horizon tau_fwd,
/// gamma = decay^(1 / tau_fwd); B reads w - lag delta. Evaluate w - h delta. Memory: W, and room for what B reads.
struct one_delta {
  using role = foal::role::delay;
  static constexpr char const* name = "one delta";
  static constexpr int states = 1;
  static constexpr foal::delay::scope states_of = foal::delay::scope::all;
  double horizon = 1, decay = 0.1353352832366127;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("horizon", horizon);
    f("decay", decay);
  }
  void check() const {
    foal::require_number(std::isfinite(horizon) && horizon >= 0, name, "horizon", horizon, "0 or more");
    foal::require_number(decay >= 0 && decay < 1, name, "decay", decay, "at least 0 and below 1");
  }
  double gamma(foal::delay::moment const& m) const { return m.tau_fwd > 0 ? std::pow(decay, 1 / m.tau_fwd) : 0; }

  template <class S>
  struct run_ahead {
    S turn;
    FOAL_HOST_DEVICE S operator()(S after, S before, S, S const& delta) const {
      return after + turn * ((after - before) - delta);
    }
  };
  template <class S>
  run_ahead<S> move(foal::delay::moment m) const {
    return {static_cast<S>(horizon * m.tau_fwd * (1 - gamma(m)))};
  }
  template <class S>
  struct average {
    S gamma, rest;
    FOAL_HOST_DEVICE void operator()(S before, S after, S& delta) const { delta = gamma * delta + rest * (after - before); }
  };
  template <class S>
  average<S> after_update(foal::delay::moment m) const {
    return {static_cast<S>(gamma(m)), static_cast<S>(1 - gamma(m))};
  }
  template <class S>
  struct go_back {
    S steps;
    FOAL_HOST_DEVICE S operator()(S w, S const& delta) const { return w - steps * delta; }
  };
  template <class S>
  go_back<S> backward_weight(foal::delay::moment m) const {
    return {static_cast<S>(m.lag)};
  }
  template <class S>
  go_back<S> read_out(foal::delay::moment m) const {
    return {static_cast<S>(horizon * m.tau_fwd)};
  }
};

}  // namespace delay_lab
