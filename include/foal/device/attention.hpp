// The sizes of an attention, and where its operands lie.
#pragma once

#include <cstddef>

namespace foal::device {

/// Scaled dot-product attention of `samples` samples: `heads` heads of width / heads channels each. causal: query i sees
/// the keys 0 .. i.
struct attention_sizes {
  int samples = 0, queries = 0, keys = 0;
  int heads = 1, width = 0;
  bool causal = false;

  constexpr int head_width() const { return width / heads; }
};

/// Vectors of attention_sizes::width channels, one a position: position p of sample n starts at
/// data[(n * positions + p) * stride], whatever lies between them.
template <class S>
struct position_rows {
  S* data = nullptr;
  int stride = 0;

  constexpr S* at(int sample, int positions, int position, int channel) const {
    return data + ((static_cast<std::ptrdiff_t>(sample) * positions + position) * stride + channel);
  }
};

/// Queries and keys are worked on in squares of this many.
inline constexpr int attention_block = 64;

/// Elements of scratch that an attention needs, whatever its samples and positions.
constexpr long long attention_scratch(int head_width) { return 2LL * attention_block * (attention_block + head_width); }

/// Elements that forward keeps for one sample: per head and query the largest score and one over the sum.
constexpr long long attention_kept(int heads, int queries) { return 2LL * heads * queries; }

}  // namespace foal::device
