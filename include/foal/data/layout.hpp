// How the samples of a microbatch of sequences lie.
#pragma once

#include <foal/core/config.hpp>

namespace foal::data {

/// padded: each has the positions of the longest, those beyond its own length are padding. ragged: one after the other, each
/// with its own positions; what layers compute is then of tokens alone.
enum class layout { padded, ragged };

}  // namespace foal::data
