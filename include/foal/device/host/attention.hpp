// Scaled dot-product attention on the host, in place on the strided queries, keys and values.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>

#include <foal/device/attention.hpp>
#include <foal/device/host/exponential.hpp>
#include <foal/device/host/lanes.hpp>
#include <foal/device/host/packet.hpp>
#include <foal/device/host/strided_product.hpp>

namespace foal::device::host_ops {

/// y = softmax(q k^T / sqrt(head width)) v, head by head (Vaswani et al., Attention Is All You Need, section 3.2). y and dy
/// are rows of `width` channels, one for each query; `lengths` (may be null) gives the number of keys of each sample that
/// exist; a query that sees no key gets y = 0 and passes no gradient on. work: attention_scratch(head_width) elements.
///
/// Scores are made in squares of 64 keys by 64 queries, keys down and queries along the vector lanes, so that a softmax
/// needs no sums across lanes; with more than 64 keys the sums run on from square to square (Dao et al., FlashAttention).
/// What is kept is per head and query the largest score and one over the sum: backward makes the same scores from the same q
/// and k. Rows are read where they are: copies of a head's rows cost more than they saved, with 12 to 128 positions. Those
/// of keys and values, and of their gradients, may be segment_rows: squares end where a segment does.
struct attention_ops {
  /// kept: attention_kept(heads, 1) elements for each query, or null.
  template <class S, class Keys>
  static void attention_forward(attention_sizes const& n, position_rows<S const> q, Keys k, Keys v, S const* lengths, S* y,
                                S* kept, S* work) {
    for (int sample = 0; sample < n.samples; ++sample) {
      attention_sizes const one = n.of(sample);
      std::ptrdiff_t const query = n.first_query(sample), key = n.first_key(sample);
      int const keys = keys_of(one, lengths, sample);
      for (int head = 0; head < n.heads; ++head) {
        for (int first = 0; first < one.queries; first += block) {
          head_block const at{head, first, std::min(block, one.queries - first), keys};
          forward_block(one, at, q.from(query), k.of_sample(sample, key), v.of_sample(sample, key), y + query * n.width,
                        kept_of(n, query, kept), work);
        }
      }
    }
  }

  /// dq, dk, dv from dy and what forward saw, made and kept. dq is written; dk and dv are written too, or added to
  /// (add = true), or not wanted (dk.data null).
  template <class S, class Keys, class Gradients>
  static void attention_backward(attention_sizes const& n, position_rows<S const> q, Keys k, Keys v, S const* lengths,
                                 S const* y, S const* kept, S const* dy, position_rows<S> dq, Gradients dk, Gradients dv,
                                 bool add, S* work) {
    bool const to_keys = are_wanted(dk);
    for (int sample = 0; sample < n.samples; ++sample) {
      attention_sizes const one = n.of(sample);
      std::ptrdiff_t const query = n.first_query(sample), key = n.first_key(sample), out = query * n.width;
      position_rows<S> const to_q = dq.from(query);
      Gradients const to_k = dk.of_sample(sample, key), to_v = dv.of_sample(sample, key);
      int const keys = keys_of(one, lengths, sample);
      if (to_keys && !add) {  // what no query sees
        int const seen = n.causal ? std::min(keys, n.keys_before + one.queries) : one.queries == 0 ? 0 : keys;
        zero_rows(n.width, to_k, seen, one.keys);
        zero_rows(n.width, to_v, seen, one.keys);
      }
      if (keys == 0) zero_rows(n.width, to_q, 0, one.queries);
      for (int head = 0; head < n.heads && keys > 0; ++head) {
        for (int first = 0; first < one.queries; first += block) {
          head_block const at{head, first, std::min(block, one.queries - first), keys};
          backward_block(one, at, q.from(query), k.of_sample(sample, key), v.of_sample(sample, key), y + out,
                         kept_of(n, query, kept), dy + out, to_q, to_k, to_v, add, work);
        }
      }
    }
  }

 private:
  static constexpr int block = attention_block;
  static constexpr int group = 16;  ///< loops along the lanes go in whole groups; a block of queries is padded to them

  /// One head, and a block of its queries, of the sample at hand.
  struct head_block {
    int head, first, queries, keys;

    constexpr int padded() const { return (queries + group - 1) / group * group; }
    /// Keys that the block's queries can see.
    constexpr int seen(attention_sizes const& n) const {
      return n.causal ? std::min(keys, n.keys_before + first + queries) : keys;
    }
  };

  template <class S>
  static bool are_wanted(position_rows<S> gradients) {
    return gradients.data != nullptr;
  }
  template <class S>
  static bool are_wanted(segment_rows<S> const&) {
    return true;
  }

  template <class S>
  static int keys_of(attention_sizes const& n, S const* lengths, int sample) {
    if (lengths == nullptr) return n.keys;
    S const length = lengths[sample];
    if (!(length > S(0))) return 0;
    return length < static_cast<S>(n.keys) ? static_cast<int>(length) : n.keys;
  }

  template <class S>
  static S* kept_of(attention_sizes const& n, std::ptrdiff_t query, S* kept) {
    return kept == nullptr ? nullptr : kept + query * attention_kept(n.heads, 1);
  }

  template <class Rows>
  static void zero_rows(int width, Rows const& rows, int from, int positions) {
    for (int p = from; p < positions; ++p) {
      auto* const row = rows.from(p).data;
      std::fill_n(row, width, std::remove_reference_t<decltype(*row)>(0));
    }
  }

  template <class S>
  static S scale_of(attention_sizes const& n) {
    return static_cast<S>(1 / std::sqrt(static_cast<double>(n.head_width())));
  }

  /// to [head width, padded queries] = factor * the transposed rows [queries, head width], 0 in the padding.
  template <class S>
  static void transpose(int width, head_block const& at, strided<S> rows, S factor, S* to) {
    constexpr int lanes = full_lanes<S>;  // squares in registers; a padded row counts whole ones
    std::ptrdiff_t const step = at.padded();
    int c = 0;
    if constexpr (lanes > 1) {
      using vector = typename detail::plain_vector<S, lanes>::type;
      for (; c + lanes <= width; c += lanes) {
        for (int i = 0; i < step; i += lanes) {
          vector square[extent(lanes)];
#pragma GCC unroll 16
          for (int r = 0; r < lanes; ++r) {
            square[r] = vector{};
            if (i + r < at.queries) std::memcpy(&square[r], rows.data + (i + r) * rows.down + c, sizeof(vector));
            square[r] *= factor;
          }
          detail::transpose_square(square);
#pragma GCC unroll 16
          for (int r = 0; r < lanes; ++r) std::memcpy(to + (c + r) * step + i, &square[r], sizeof(vector));
        }
      }
    }
    for (; c < width; ++c) {
      for (int i = 0; i < at.queries; ++i) to[c * step + i] = factor * rows.data[i * rows.down + c];
      std::fill_n(to + c * step + at.queries, step - at.queries, S(0));
    }
  }

  /// The rows of one head from position `first` on, where they are.
  template <class Rows>
  static auto rows_of(attention_sizes const& n, head_block const& at, Rows const& rows, int first) {
    auto const from = rows.from(first);
    return strided<std::remove_cv_t<std::remove_pointer_t<decltype(from.data)>>>{from.at(0, at.head * n.head_width()),
                                                                                 from.stride, 1};
  }

  /// scores [count keys from `key` on, padded queries] = keys times the transposed queries; -inf where a query does not see.
  template <class S>
  static void scores_of(attention_sizes const& n, head_block const& at, int key, int count, strided<S> keys,
                        S const* queries, S* scores) {
    int const width = n.head_width(), padded = at.padded();
    strided_product::run(count, padded, width, keys, queries, padded, scores, padded, false);
    if (!n.causal) return;
    for (int j = 0; j < count; ++j) {
      int const blind = std::clamp(key + j - n.keys_before - at.first, 0, padded);
      std::fill_n(scores + j * padded, blind, -std::numeric_limits<S>::infinity());
    }
  }

  template <class S, class Keys>
  static void forward_block(attention_sizes const& n, head_block const& at, position_rows<S const> q, Keys const& k,
                            Keys const& v, S* y, S* kept, S* work) {
    int const width = n.head_width(), padded = at.padded(), seen = at.seen(n);
    S *const queries = work, *const scores = work + block * width;  // [head width, queries], [keys, queries]
    S* const out = position_rows<S>{y, n.width}.at(at.first, at.head * width);
    S top[block], sum[block], before[block];
    std::fill_n(top, padded, -std::numeric_limits<S>::infinity());
    std::fill_n(sum, padded, S(0));
    if (seen == 0) {
      for (std::ptrdiff_t i = 0; i < at.queries; ++i) std::fill_n(out + i * n.width, width, S(0));
    } else {
      transpose(width, at, rows_of(n, at, q, at.first), scale_of<S>(n), queries);
    }
    for (int key = 0, count = 0; key < seen; key += count) {
      count = std::min({block, seen - key, k.together(key)});
      auto const keys = rows_of(n, at, k, key), values = rows_of(n, at, v, key);
      scores_of(n, at, key, count, keys, queries, scores);
      std::copy_n(top, padded, before);
      raise(count, padded, scores, top);
      if (key > 0) {
        for (int i = 0; i < padded; ++i) before[i] = exponential(before[i] - top[i]);
        for (int i = 0; i < padded; ++i) sum[i] *= before[i];
        for (std::ptrdiff_t i = 0; i < at.queries; ++i) {
          for (int c = 0; c < width; ++c) out[i * n.width + c] *= before[i];
        }
      }
      exponentiate(count, padded, top, scores, sum);
      strided_product::run(at.queries, width, count, strided<S>{scores, 1, padded}, values.data, values.down, out, n.width,
                           key > 0);
    }
    if (seen > 0) {
      for (int i = 0; i < padded; ++i) sum[i] = S(1) / sum[i];
      for (std::ptrdiff_t i = 0; i < at.queries; ++i) {
        for (int c = 0; c < width; ++c) out[i * n.width + c] *= sum[i];
      }
    }
    if (kept == nullptr) return;
    S* const statistics = kept_at(n, at, kept);
    std::copy_n(top, at.queries, statistics);
    std::copy_n(sum, at.queries, statistics + n.queries);
  }

  template <class S>
  static S* kept_at(attention_sizes const& n, head_block const& at, S* kept) {
    return kept + static_cast<std::ptrdiff_t>(at.head) * 2 * n.queries + at.first;
  }

  /// top = the larger of top and the largest of each column; NaN is larger than nothing.
  template <class S>
  static void raise(int count, int padded, S const* scores, S* top) {
    namespace eigen = Eigen::internal;
    constexpr int lanes = full_lanes<S>;
    using vector = typename packet<S, lanes>::type;
    static_assert(group % lanes == 0);
    for (int i = 0; i < padded; i += lanes) {
      vector largest = eigen::ploadu<vector>(top + i);
      for (int j = 0; j < count; ++j) largest = larger(largest, eigen::ploadu<vector>(scores + j * padded + i));
      eigen::pstoreu(top + i, largest);
    }
  }

  /// scores = exp(scores - top), sum += the sum of each column in the order of the keys.
  template <class S>
  static void exponentiate(int count, int padded, S const* top, S* scores, S* sum) {
    namespace eigen = Eigen::internal;
    constexpr int lanes = full_lanes<S>;
    using vector = typename packet<S, lanes>::type;
    for (int j = 0; j < count; ++j) {
      S* __restrict row = scores + j * padded;
      for (int i = 0; i < padded; ++i) row[i] = exponential(row[i] - top[i]);
    }
    for (int i = 0; i < padded; i += lanes) {
      vector total = eigen::ploadu<vector>(sum + i);
      for (int j = 0; j < count; ++j) total = eigen::padd(total, eigen::ploadu<vector>(scores + j * padded + i));
      eigen::pstoreu(sum + i, total);
    }
  }

  template <class S, class Keys, class Gradients>
  static void backward_block(attention_sizes const& n, head_block const& at, position_rows<S const> q, Keys const& k,
                             Keys const& v, S const* y, S const* kept, S const* dy, position_rows<S> dq, Gradients const& dk,
                             Gradients const& dv, bool add, S* work) {
    int const width = n.head_width(), padded = at.padded(), seen = at.seen(n), channel = at.head * width;
    S *const queries = work, *const changes = queries + block * width;               // q and dy transposed
    S *const share = changes + block * width, *const slope = share + block * block;  // probabilities and d scores
    position_rows<S const> const out_rows{y, n.width};
    S const scale = scale_of<S>(n);
    auto const q_rows = rows_of(n, at, q, at.first);
    auto const dy_rows = rows_of(n, at, position_rows<S const>{dy, n.width}, at.first);
    transpose(width, at, q_rows, scale, queries);
    transpose(width, at, dy_rows, S(1), changes);

    // sum over keys of probability * its gradient = y . dy
    S top[block] = {}, inverse[block] = {}, mean[block] = {};
    S const* const statistics = kept_at(n, at, kept);
    std::copy_n(statistics, at.queries, top);
    std::copy_n(statistics + n.queries, at.queries, inverse);
    for (int i = 0; i < at.queries; ++i) {
      S const* const a = out_rows.at(at.first + i, channel);
      S const* const b = dy_rows.data + i * dy_rows.down;
      mean[i] = sum_in_lanes<S>(
          width, [a, b](auto lanes, int c) { return Eigen::internal::pmul(lanes.at(a + c), lanes.at(b + c)); });
    }

    S* const dq_here = dq.at(at.first, channel);
    for (int key = 0, count = 0; key < seen; key += count) {
      count = std::min({block, seen - key, k.together(key)});
      auto const keys = rows_of(n, at, k, key), values = rows_of(n, at, v, key);
      scores_of(n, at, key, count, keys, queries, share);
      strided_product::run(count, padded, width, values, changes, padded, slope, padded, false);
      for (int j = 0; j < count; ++j) {
        S* __restrict p = share + j * padded;
        S* __restrict d = slope + j * padded;
        for (int i = 0; i < padded; ++i) {
          S const probability = exponential(p[i] - top[i]) * inverse[i];
          p[i] = probability;
          d[i] = probability * (d[i] - mean[i]) * scale;
        }
      }
      strided_product::run(at.queries, width, count, strided<S>{slope, 1, padded}, keys.data, keys.down, dq_here, dq.stride,
                           key > 0);
      if (!are_wanted(dk)) continue;
      // The first block of queries that sees these keys starts their gradients.
      bool const more = add || at.first > (n.causal ? std::max(0, key - n.keys_before) : 0);
      position_rows<S> const to_k = dk.from(key), to_v = dv.from(key);
      strided_product::run(count, width, at.queries, strided<S>{slope, padded, 1}, q_rows.data, q_rows.down,
                           to_k.at(0, channel), to_k.stride, more);
      strided_product::run(count, width, at.queries, strided<S>{share, padded, 1}, dy_rows.data, dy_rows.down,
                           to_v.at(0, channel), to_v.stride, more);
    }
  }
};

}  // namespace foal::device::host_ops
