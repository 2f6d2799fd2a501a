// The sizes of an attention, and where its operands lie.
#pragma once

#include <cstddef>
#include <limits>

#include <foal/tensor/shape.hpp>

namespace foal::device {

/// Scaled dot-product attention of `samples` samples: `heads` heads of width / heads channels each. causal: query i sees
/// the keys 0 .. i. Padded, each sample has `queries` and `keys` positions; ragged, where bounds are given, those between
/// its bounds. Of a sequence in segments the queries are one segment's, keys_before of the keys lie before them, and causal
/// query i sees the keys 0 .. keys_before + i.
struct attention_sizes {
  int samples = 0, queries = 0, keys = 0;
  int heads = 1, width = 0;
  bool causal = false;
  sample_bounds query_bounds{}, key_bounds{};
  int keys_before = 0;

  constexpr int head_width() const { return width / heads; }
  constexpr std::ptrdiff_t first_query(int sample) const { return query_bounds.first(sample, queries); }
  constexpr std::ptrdiff_t first_key(int sample) const { return key_bounds.first(sample, keys); }

  /// One sample alone; its rows begin at first_query(sample) and first_key(sample).
  constexpr attention_sizes of(int sample) const {
    return {1,
            query_bounds.positions(sample, queries),
            key_bounds.positions(sample, keys),
            heads,
            width,
            causal,
            {},
            {},
            keys_before};
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
  /// Those of a sample whose first position is this one.
  constexpr position_rows of_sample(int, std::ptrdiff_t first) const { return from(first); }
  /// Positions from one on whose rows lie `stride` apart: no end is known.
  static constexpr int together(int) { return std::numeric_limits<int>::max(); }
};

/// The same of a sequence in segments: the rows of each segment, all samples of it, lie in an array of its own. `own` are
/// those of the last segment that is there; array(i) gives where those of an earlier one begin, S or void pointers.
template <class S>
struct segment_rows {
  segment_range of{};
  void* const* arrays = nullptr;  ///< those of segment i at arrays[i * step]
  int step = 1;
  int channel = 0, stride = 0;  ///< of the arrays: where a row's vector begins, and from row to row
  position_rows<S> own{};
  int sample = 0;

  constexpr segment_rows of_sample(int number, std::ptrdiff_t) const {
    segment_rows one = *this;
    one.sample = number;
    return one;
  }
  /// The rows from a position of the sample on, as many as lie together.
  position_rows<S> from(int position) const {
    int const i = of.segment_at(position), row = sample * of.positions(i) + position - of.first(i);
    if (i == of.number) return own.from(row);
    return position_rows<S>{static_cast<S*>(arrays[i * step]) + channel, stride}.from(row);
  }
  constexpr int together(int position) const {
    int const i = of.segment_at(position);
    return of.first(i) + of.positions(i) - position;
  }
};

/// Queries and keys are worked on in squares of this many.
inline constexpr int attention_block = 64;

/// Elements of scratch that an attention needs, whatever its samples and positions.
constexpr long long attention_scratch(int head_width) { return 2LL * attention_block * (attention_block + head_width); }

/// Elements that forward keeps for one sample: per head and query the largest score and one over the sum.
constexpr long long attention_kept(int heads, int queries) { return 2LL * heads * queries; }

}  // namespace foal::device
