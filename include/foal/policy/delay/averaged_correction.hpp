// T2 and an average of the weights as one array: the mean of the moves is what weights are away from their mean.
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

/// Keeps a <- gamma a + (1 - gamma) w, a = w at first. T2's delta with the same gamma is (1 - gamma) / gamma (w - a), so B
/// reads w - lag (1 - gamma) / gamma (w - a), which is discrepancy_correction's with decay = gamma^lag; and a is the average
/// for evaluations: read_out() of a trainer. gamma = decay^(1 / lag) as in T2, or average_gamma at all stages where it is
/// given: then stages without a lag have an average too. Memory: W, where T2 and optim::averaged take 2 W.
struct averaged_correction {
  using role = foal::role::delay;
  static constexpr char const* name = "averaged correction";
  static constexpr int states = 1;
  static constexpr scope states_of = scope::all;
  double decay = 0.1353352832366127;  ///< D
  double average_gamma = 0;           ///< 0: by decay and the lag

  template <class F>
  constexpr void numbers(F&& f) const {
    f("decay", decay);
    f("average_gamma", average_gamma);
  }
  static constexpr void bound(double before, double after, double* state) {
    for (double const w : {before, after})
      if (state[0] < w) state[0] = w;
  }
  void check() const {
    require_number(decay > 0 && decay < 1, name, "decay", decay, "above 0 and below 1");
    require_number(average_gamma >= 0 && average_gamma < 1, name, "average_gamma", average_gamma, "at least 0 and below 1");
  }
  double gamma(moment const& m) const {
    double const lag = m.tau_fwd - m.tau_bkwd;
    return average_gamma > 0 ? average_gamma : lag > 0 ? std::pow(decay, 1 / lag) : 0;
  }

  template <class S>
  struct extrapolate {
    S away;
    FOAL_HOST_DEVICE S operator()(S w, S const& average) const { return w - away * (w - average); }
  };
  template <class S>
  extrapolate<S> backward_weight(moment m) const {
    double const kept = gamma(m);
    return {static_cast<S>(m.since > 0 && kept > 0 ? m.lag * (1 - kept) / kept : 0)};
  }
  template <class S>
  struct follow {
    S gamma, rest;
    bool first;
    FOAL_HOST_DEVICE void operator()(S before, S after, S& average) const {
      average = gamma * (first ? before : average) + rest * after;
    }
  };
  template <class S>
  follow<S> after_update(moment m) const {
    double const kept = gamma(m);
    return {static_cast<S>(kept), static_cast<S>(1 - kept), m.since == 0};
  }
  template <class S>
  struct average_itself {
    bool none;
    FOAL_HOST_DEVICE S operator()(S w, S const& average) const { return none ? w : average; }
  };
  template <class S>
  average_itself<S> read_out(moment m) const {
    return {m.since == 0};
  }
};

}  // namespace foal::delay
