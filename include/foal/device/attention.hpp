// The sizes of an attention, and where its operands lie.
#pragma once

#include <cstddef>

#include <foal/tensor/shape.hpp>

namespace foal::device {

/// Scaled dot-product attention of `samples` samples: `heads` heads of width / heads channels each. causal: query i sees
/// the keys 0 .. i. Padded, each sample has `queries` and `keys` positions; ragged, where bounds are given, those between
/// its bounds.
struct attention_sizes {
  int samples = 0, queries = 0, keys = 0;
  int heads = 1, width = 0;
  bool causal = false;
  sample_bounds query_bounds{}, key_bounds{};

  constexpr int head_width() const { return width / heads; }
  constexpr std::ptrdiff_t first_query(int sample) const { return query_bounds.first(sample, queries); }
  constexpr std::ptrdiff_t first_key(int sample) const { return key_bounds.first(sample, keys); }

  /// One sample alone; its rows begin at first_query(sample) and first_key(sample).
  constexpr attention_sizes of(int sample) const {
    return {1, query_bounds.positions(sample, queries), key_bounds.positions(sample, keys), heads, width, causal, {}, {}};
  }
};

/// Vectors of attention_sizes::width channels, one a position: position p starts at data[p * stride], whatever lies between
/// them.
template <class S>
struct position_rows {
  S* data = nullptr;
  int stride = 0;

  constexpr S* at(std::ptrdiff_t position, int channel) const { return data + (position * stride + channel); }
  constexpr position_rows from(std::ptrdiff_t position) const {
    return data == nullptr ? *this : position_rows{at(position, 0), stride};
  }
};

/// Queries and keys are worked on in squares of this many.
inline constexpr int attention_block = 64;

/// Elements of scratch that an attention needs, whatever its samples and positions.
constexpr long long attention_scratch(int head_width) { return 2LL * attention_block * (attention_block + head_width); }

/// Elements that forward keeps for one sample: per head and query the largest score and one over the sum.
constexpr long long attention_kept(int heads, int queries) { return 2LL * heads * queries; }

}  // namespace foal::device
