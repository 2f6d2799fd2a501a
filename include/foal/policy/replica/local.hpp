// Local updates with an outer optimizer (DiLoCo: Douillard et al., 2023; without it local SGD: Stich, ICLR 2019).
#pragma once

#include <foal/core/error.hpp>
#include <foal/policy/replica/concept.hpp>

namespace foal::replica {

/// Each replica updates its own weights w_i with the mean gradient of its own microbatches. After every H-th update of a
/// stage all take the reference r, which begins as the weights do and makes a step of SGD with Nesterov momentum:
///
///     d = r - mean over i of w_i;  m <- mu m + d;  r <- r - lr (d + mu m);  w_i <- r
///
/// Only then do replicas send each other anything. rate = 1 and momentum = 0 take the mean. In between the replicas' weights
/// differ: evaluations and files have those of replica 0. What a delay policy keeps of weights (T2's delta) is of the
/// replica's own steps.
struct local {
  using role = foal::role::replica;
  static constexpr char const* name = "local";
  static constexpr exchanged exchanges = exchanged::weights;
  static constexpr bool has_momentum = true;
  long long every = 16;   ///< H
  double rate = 0.7;      ///< lr
  double momentum = 0.9;  ///< mu

  template <class F>
  constexpr void numbers(F&& f) const {
    f("every", every);
    f("rate", rate);
    f("momentum", momentum);
  }
  void check() const {
    require_number(every >= 1, name, "every", static_cast<double>(every), "1 or more");
    require_number(rate > 0 && rate <= 2, name, "rate", rate, "more than 0, to 2");
    require_number(momentum >= 0 && momentum < 1, name, "momentum", momentum, "0 to less than 1");
  }

  constexpr long long interval() const { return every; }
  template <class S>
  void merge(S& reference, S& m, S sum, int replicas) const {
    S const mu = static_cast<S>(momentum), d = reference - sum / static_cast<S>(replicas);
    m = mu * m + d;
    reference -= static_cast<S>(rate) * (d + mu * m);
  }
  template <class S>
  void take(S& weight, S reference, int /*replicas*/) const {
    weight = reference;
  }
};

}  // namespace foal::replica
