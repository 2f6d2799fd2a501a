// T2, PipeMare's discrepancy correction (Yang et al. 2021, section 3.2): B reads weights extrapolated back to what F read.
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

/// u = w - lag * delta;  after each update delta <- gamma delta + (1 - gamma)(w_new - w_old), gamma = decay^(1 / lag).
/// With gamma = 1 - 2/(lag + 1) the discrepancy vanishes to second order, and gamma^lag -> e^-2: hence the default decay.
struct discrepancy_correction {
  using role = foal::role::delay;
  static constexpr char const* name = "T2";
  static constexpr int states = 1;
  static constexpr bool needs_lag = true;
  double decay = 0.1353352832366127;  ///< D
  bool exact = false;                 ///< extrapolate by each microbatch's own v_B - v_F instead of the stage's mean lag

  template <class F>
  constexpr void numbers(F&& f) const {
    f("decay", decay);
    f("exact", exact);
  }
  static constexpr void bound(double before, double after, double* state) {
    if (state[0] < before + after) state[0] = before + after;
  }
  bool exact_lag() const { return exact; }
  void check() const { require_number(decay >= 0 && decay < 1, name, "decay", decay, "at least 0 and below 1"); }

  template <class S>
  struct extrapolate {
    S lag;
    FOAL_HOST_DEVICE S operator()(S w, S const& delta) const { return w - lag * delta; }
  };
  template <class S>
  extrapolate<S> backward_weight(moment m) const {
    return {static_cast<S>(m.lag)};
  }

  template <class S>
  struct average {
    S gamma, rest;  ///< rest: 1 - gamma, computed in double
    static constexpr bool in_registers = true;
    template <class T>
    FOAL_HOST_DEVICE void operator()(T const& before, T const& after, T& delta) const {
      delta = gamma * delta + rest * (after - before);
    }
  };
  template <class S>
  average<S> after_update(moment m) const {
    double const lag = m.tau_fwd - m.tau_bkwd;
    double const gamma = lag > 0 ? std::pow(decay, 1 / lag) : 0;
    return {static_cast<S>(gamma), static_cast<S>(1 - gamma)};
  }
};

}  // namespace foal::delay
