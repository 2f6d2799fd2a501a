// The sizes of an attention, and where its operands lie.
#pragma once

#include <cstddef>

namespace foal::device {

/// Scaled dot-product attention of `samples` samples: `heads` heads of width / heads channels each. causal: query i sees
/// the keys 0 .. i. Padded, each sample has `queries` and `keys` positions; ragged, where query_begin and key_begin are
/// given, sample n has the queries query_begin[n] to query_begin[n + 1] - 1 of all, and so the keys.
struct attention_sizes {
  int samples = 0, queries = 0, keys = 0;
  int heads = 1, width = 0;
  bool causal = false;
  int const* query_begin = nullptr;
  int const* key_begin = nullptr;

  constexpr int head_width() const { return width / heads; }
  constexpr std::ptrdiff_t first_query(int sample) const { return first(query_begin, sample, queries); }
  constexpr std::ptrdiff_t first_key(int sample) const { return first(key_begin, sample, keys); }

  /// One sample alone; its rows begin at first_query(sample) and first_key(sample).
  constexpr attention_sizes of(int sample) const {
    return {1, count(query_begin, sample, queries), count(key_begin, sample, keys), heads, width, causal, nullptr, nullptr};
  }

 private:
  static constexpr std::ptrdiff_t first(int const* begin, int sample, int positions) {
    return begin == nullptr ? static_cast<std::ptrdiff_t>(sample) * positions : begin[sample];
  }
  static constexpr int count(int const* begin, int sample, int positions) {
    return begin == nullptr ? positions : begin[sample + 1] - begin[sample];
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
