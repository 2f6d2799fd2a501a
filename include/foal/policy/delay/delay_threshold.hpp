// A threshold of delay (Ringmaster ASGD: Maranjyan, Tyurin, Richtarik, ICML 2025, arXiv 2501.16168): gradients that come too
// late are thrown away.
#pragma once

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

/// A microbatch whose F has read weights of `threshold` updates ago, or more, adds nothing to the gradient; the others add
/// what they do without it. Means something where delays vary (versions::random_delays); fits() throws where a stage would
/// throw away all. Memory: the versions in flight, and a gradient.
struct delay_threshold {
  using role = foal::role::delay;
  static constexpr char const* name = "delay threshold";
  static constexpr int states = 0;
  int threshold = 1;  ///< updates

  template <class F>
  constexpr void numbers(F&& f) const {
    f("threshold", threshold);
  }
  static constexpr void bound(double, double, double*) {}
  static constexpr bool exact_lag() { return true; }
  void check() const { require_number(threshold >= 1, name, "threshold", threshold, "1 or more"); }
  void fits(stage_view const& at) const {
    require(at.least_delay < threshold, "cannot throw away gradients of ", threshold, " updates of delay at stage ",
            at.stage, ", because every microbatch there is ", at.least_delay,
            " updates late or more and nothing would train it; give a "
            "threshold of ",
            at.least_delay + 1, " or more");
  }

  template <class S>
  struct judge {
    S counts;
    FOAL_HOST_DEVICE S operator()(S g, S, S) const { return counts * g; }
  };
  template <class S>
  judge<S> microbatch_gradient(moment m) const {
    return {m.lag < threshold ? S(1) : S(0)};
  }
};

}  // namespace foal::delay
