// Perplexity: how many equally likely tokens a model hesitates between.
#pragma once

#include <cmath>

#include <foal/core/error.hpp>

namespace foal::text {

/// exp of the mean negative log-likelihood (natural logarithm) of `tokens` targets whose sum is `sum`: what a cross-entropy
/// loss returns as (sum, weight). Throws foal::error if there are no tokens.
inline double perplexity(double sum, double tokens) {
  require(tokens > 0, "cannot compute a perplexity, because the sum ", sum, " is over ", tokens,
          " tokens; give at least one token that is not padding");
  return std::exp(sum / tokens);
}

}  // namespace foal::text
