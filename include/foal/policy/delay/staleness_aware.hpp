// Staleness-aware asynchronous SGD (Zhang, Gupta, Lian, Liu, IJCAI 2016, arXiv 1511.05950): a gradient counts for as much as
// it is fresh.
#pragma once

#include <foal/core/config.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

/// g / max(1, tau), tau being the updates since the microbatch's F has read its weights: the rate alpha / tau of eq. 4, by
/// microbatch. lr::staleness_aware divides the stage's rate by its mean delay, which differs where momentum or Adam's norm
/// lies between. Memory: the versions in flight, and a gradient.
struct staleness_aware {
  using role = foal::role::delay;
  static constexpr char const* name = "staleness-aware";
  static constexpr int states = 0;

  static constexpr void bound(double, double, double*) {}
  static constexpr bool exact_lag() { return true; }

  template <class S>
  struct divide {
    S by;
    FOAL_HOST_DEVICE S operator()(S g, S, S) const { return g / by; }
  };
  template <class S>
  divide<S> microbatch_gradient(moment m) const {
    return {static_cast<S>(m.lag > 1 ? m.lag : 1)};
  }
};

}  // namespace foal::delay
