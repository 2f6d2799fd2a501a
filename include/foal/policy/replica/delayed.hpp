// The sum of gradients one minibatch late (ACCO: Nabli et al., 2024): it travels while the next minibatch is computed.
#pragma once

#include <foal/policy/replica/concept.hpp>

namespace foal::replica {

/// w(k + 1) = step(w(k), g(k - 1)), where g(k) is the sum over replicas of the gradients of minibatch k, and g(-1) = 0: the
/// first update of a run, or of its asynchronous part, has a gradient of zero, and the sum of the last minibatch before its
/// end is not used. All replicas have the same weights; every delay is one update longer. (ACCO has the first half of the
/// gradient estimate the second; this is its delayed update. Cyclic data parallelism, Fournier and Oyallon 2024, has some of
/// the stages one update late, as an asynchronous schedule has.)
struct delayed {
  using role = foal::role::replica;
  static constexpr char const* name = "delayed";
  static constexpr exchanged exchanges = exchanged::late_gradients;
};

}  // namespace foal::replica
