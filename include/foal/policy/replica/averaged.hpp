// Elastic averaging (EASGD: Zhang, Choromanska and LeCun, NeurIPS 2015; of pipelines, AvgPipe: Chen et al., PPoPP 2023).
#pragma once

#include <algorithm>

#include <foal/core/error.hpp>
#include <foal/policy/replica/concept.hpp>

namespace foal::replica {

/// Each replica updates its own weights w_i with the mean gradient of its own microbatches, and is drawn to a reference r,
/// which begins as the weights do:
///
///     w_i(k + 1) = v + alpha (r(k) - v), v = step(w_i(k), g_i(k)); of the first update of all, w_i(1) = v
///     r(k + 1) = r(k) + beta (mean over i of w_i(k + 1) - r(k)), beta = D alpha, 1 at most
///
/// r(k + 1) is made while minibatch k + 1 is computed. alpha = 1 / D is AvgPipe's. The replicas' weights differ: evaluations
/// and files have those of replica 0. What a delay policy keeps of weights (T2's delta) is of step() alone.
struct averaged {
  using role = foal::role::replica;
  static constexpr char const* name = "averaged";
  static constexpr exchanged exchanges = exchanged::late_weights;
  static constexpr bool has_momentum = false;
  double alpha = 0;  ///< 0: 1 / D

  template <class F>
  constexpr void numbers(F&& f) const {
    f("alpha", alpha);
  }
  void check() const { require_number(alpha >= 0 && alpha <= 1, name, "alpha", alpha, "0 (for 1 / D) to 1"); }

  static constexpr long long interval() { return 1; }
  template <class S>
  void merge(S& reference, S& /*momentum*/, S sum, int replicas) const {
    reference += static_cast<S>(std::min(1.0, replicas * pull(replicas))) * (sum / static_cast<S>(replicas) - reference);
  }
  template <class S>
  void take(S& weight, S reference, int replicas) const {
    weight += static_cast<S>(pull(replicas)) * (reference - weight);
  }

 private:
  constexpr double pull(int replicas) const { return alpha > 0 ? alpha : 1.0 / replicas; }
};

}  // namespace foal::replica
