// What a loss gives back for one microbatch.
#pragma once

#include <foal/core/config.hpp>

namespace foal::loss {

/// sum: of the samples' losses; weight: what the sum is an average of when divided by it (samples, or targets); correct:
/// targets that were the largest entry (0 where that means nothing). Sums and weights of microbatches add up.
struct loss_result {
  double sum = 0;
  double weight = 0;
  long long correct = 0;
};

}  // namespace foal::loss
