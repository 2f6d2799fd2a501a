// How many minibatches an epoch of a program's data has.
#pragma once

#include <foal/core/error.hpp>

namespace options {

/// Whole minibatches of an epoch, at least one. Throws foal::error where a minibatch is larger than the data.
inline long long minibatches_per_epoch(long long samples, int microbatch_size, int microbatches) {
  long long const minibatch = static_cast<long long>(microbatch_size) * microbatches;
  foal::require(minibatch >= 1 && minibatch <= samples, "cannot train on ", samples, " samples, because a minibatch is ",
                microbatches, " microbatches of ", microbatch_size, " = ", minibatch,
                " samples; give --microbatches or --microbatch-size that make it smaller");
  return samples / minibatch;
}

}  // namespace options
