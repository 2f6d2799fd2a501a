// What the kernels of attention share: where positions lie, and products of tiles.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <foal/core/error.hpp>
#include <foal/device/attention.hpp>
#include <foal/device/cuda/layer_norm.cuh>

namespace foal::device::cuda_ops {

/// Rows in one array, for kernels: position p of a sample whose positions begin with `first`.
template <class S>
struct attention_rows {
  S* data;
  int stride;
  __device__ S* at(int /*sample*/, int first, int position) const {
    return data + static_cast<std::ptrdiff_t>(first + position) * stride;
  }
};
template <class S>
attention_rows<S> rows_for_kernel(position_rows<S> const& rows) {
  return {rows.data, rows.stride};
}

/// Rows in the arrays of segments, for kernels. The addresses go with the kernel, for the host has the list of them.
template <class S>
struct attention_pieces {
  static constexpr int most = 32;
  int count, stride, own_stride;
  int begin[most + 1];
  S* data[most];
  __device__ S* at(int sample, int /*first*/, int position) const {
    int i = 0;
    while (i + 1 < count && begin[i + 1] <= position) ++i;
    int const row = sample * (begin[i + 1] - begin[i]) + position - begin[i];
    return data[i] + static_cast<std::ptrdiff_t>(row) * (i + 1 == count ? own_stride : stride);
  }
};
/// Throws foal::error for more segments than a kernel takes.
template <class S>
attention_pieces<S> rows_for_kernel(segment_rows<S> const& rows) {
  require(rows.of.number < attention_pieces<S>::most, "cannot attend to ", rows.of.number + 1,
          " segments on CUDA, because a kernel takes the addresses of ", attention_pieces<S>::most,
          "; cut sequences into fewer segments");
  attention_pieces<S> p{};
  p.count = rows.of.number + 1;
  p.stride = rows.stride;
  p.own_stride = rows.own.stride;
  for (int i = 0; i < p.count; ++i) {
    p.begin[i] = rows.of.first(i);
    p.data[i] = i == rows.of.number ? rows.own.data : static_cast<S*>(rows.arrays[i * rows.step]) + rows.channel;
  }
  p.begin[p.count] = rows.of.first(p.count);
  return p;
}

/// The sizes of an attention of some samples, for kernels, and where their positions begin: bounds are the host's, so they
/// go with the kernel, too.
struct attention_samples {
  static constexpr int most = 64;  ///< where they are ragged; else all are taken at once
  int count, number;               ///< samples, and which is the first
  int queries, keys;               ///< of each, where padded
  int heads, width, head_width, keys_before;
  bool causal, ragged;
  int query[most + 1], key[most + 1];

  /// One sample: where its positions begin, and how many there are; seen: keys that exist.
  struct one {
    int number, query, queries, key, keys, seen;
  };
  template <class S>
  __device__ one of(int i, S const* lengths) const {
    one s{number + i,
          ragged ? query[i] : (number + i) * queries,
          ragged ? query[i + 1] - query[i] : queries,
          ragged ? key[i] : (number + i) * keys,
          ragged ? key[i + 1] - key[i] : keys,
          0};
    s.seen = s.keys;
    if (lengths == nullptr) return s;
    S const length = lengths[s.number];
    if (!(length > S(0)))
      s.seen = 0;
    else if (length < static_cast<S>(s.keys))
      s.seen = static_cast<int>(length);
    return s;
  }
  __device__ bool sees(one const& s, int q, int k) const {
    return q < s.queries && k < s.seen && (!causal || k <= keys_before + q);
  }
};

/// Calls run(samples, most queries of one, most keys of one) for as many at a time as a kernel takes.
template <class Run>
void for_attention_samples(attention_sizes const& n, Run run) {
  attention_samples s{};
  s.queries = n.queries, s.keys = n.keys, s.heads = n.heads, s.width = n.width, s.head_width = n.head_width();
  s.keys_before = n.keys_before, s.causal = n.causal;
  s.ragged = n.query_bounds.begin != nullptr || n.key_bounds.begin != nullptr;
  if (n.heads <= 0 || n.head_width() <= 0) return;
  int const most = s.ragged ? attention_samples::most : std::max(n.samples, 1);
  for (; s.number < n.samples; s.number += most) {
    s.count = std::min(most, n.samples - s.number);
    int queries = s.ragged ? 0 : n.queries, keys = s.ragged ? 0 : n.keys;
    for (int i = 0; s.ragged && i < s.count; ++i) {
      attention_sizes const one = n.of(s.number + i);
      s.query[i] = static_cast<int>(n.first_query(s.number + i)), s.query[i + 1] = s.query[i] + one.queries;
      s.key[i] = static_cast<int>(n.first_key(s.number + i)), s.key[i + 1] = s.key[i] + one.keys;
      queries = std::max(queries, one.queries), keys = std::max(keys, one.keys);
    }
    run(s, queries, keys);
  }
}

/// A block has block_threads threads in a square; each has `each` rows and columns of a tile of scores, which has `side` of
/// both, and as many rows of the result. Scores are summed over `depth` channels at a time.
template <class S>
struct attention_tile {
  static constexpr int threads = 16;  ///< of a side of the square
  static constexpr int side = sizeof(S) == sizeof(float) ? 64 : 32;
  static constexpr int each = side / threads;
  static constexpr int depth = 32;
  static constexpr int step = side + 4;  ///< from one column of a transposed tile to the next: no two share a bank
  static_assert(threads * threads == static_cast<int>(block_threads));

  int row, column;  ///< of the thread in the square
  __device__ attention_tile()
      : row(static_cast<int>(threadIdx.x) / threads), column(static_cast<int>(threadIdx.x) % threads) {}
};

/// Shared memory of a block.
template <class S>
struct alignas(16) attention_room {
  using tile = attention_tile<S>;
  S operand[2][tile::depth * tile::step];  ///< two transposed slices of rows; or one of values, row by row
  S shares[tile::side * tile::step];       ///< a tile of probabilities or slopes, column by column
  S top[tile::side], inverse[tile::side], mean[tile::side];
};

/// to [depth, step] = factor * the transposed rows, channels from `channel` on; 0 where there is none.
template <class S, class Row>
__device__ void load_transposed(int count, int channel, int channels, S factor, Row row, S* to) {
  using tile = attention_tile<S>;
  for (int e = static_cast<int>(threadIdx.x); e < tile::side * tile::depth; e += static_cast<int>(block_threads)) {
    int const r = e / tile::depth, c = e % tile::depth;
    to[c * tile::step + r] = r < count && channel + c < channels ? factor * row(r)[channel + c] : S(0);
  }
}

/// sum[i][j] = the products of rows of a (times factor) and rows of b, over `channels` channels. Ends with a barrier.
template <class S, class A, class B>
__device__ void multiply_rows(attention_room<S>& room, int channels, int count_a, A a, S factor, int count_b, B b,
                              S (&sum)[attention_tile<S>::each][attention_tile<S>::each]) {
  using tile = attention_tile<S>;
  tile const here;
  for (auto& row : sum)
    for (S& value : row) value = S(0);
  for (int channel = 0; channel < channels; channel += tile::depth) {
    load_transposed(count_a, channel, channels, factor, a, room.operand[0]);
    load_transposed(count_b, channel, channels, S(1), b, room.operand[1]);
    __syncthreads();
    int const depth = channels - channel < tile::depth ? channels - channel : tile::depth;
    for (int c = 0; c < depth; ++c) {
      S const* const from_a = room.operand[0] + c * tile::step + here.row * tile::each;
      S const* const from_b = room.operand[1] + c * tile::step + here.column * tile::each;
      for (int i = 0; i < tile::each; ++i)
        for (int j = 0; j < tile::each; ++j) sum[i][j] += from_a[i] * from_b[j];
    }
    __syncthreads();
  }
}

/// Leaves the thread's part of a tile for add_products, column by column.
template <class S>
__device__ void leave_shares(attention_room<S>& room, S const (&part)[attention_tile<S>::each][attention_tile<S>::each]) {
  using tile = attention_tile<S>;
  tile const here;
  for (int j = 0; j < tile::each; ++j)
    for (int i = 0; i < tile::each; ++i)
      room.shares[(here.column * tile::each + j) * tile::step + here.row * tile::each + i] = part[i][j];
}

/// out[i][c] += the sum over columns k of shares[i, k] * row(k)[channel + c], for `Slice` channels of which `channels`
/// exist. Begins after leave_shares, needs no barrier before it; ends with one.
template <int Slice, class S, class Row>
__device__ void add_products(attention_room<S>& room, int count, int channel, int channels, Row row,
                             S (&out)[attention_tile<S>::each][Slice / attention_tile<S>::threads]) {
  using tile = attention_tile<S>;
  constexpr int step = Slice + 4, each = Slice / tile::threads;
  static_assert(tile::side * step <= 2 * tile::depth * tile::step);
  tile const here;
  S* const values = room.operand[0];
  for (int e = static_cast<int>(threadIdx.x); e < count * Slice; e += static_cast<int>(block_threads)) {
    int const k = e / Slice, c = e % Slice;
    values[k * step + c] = channel + c < channels ? row(k)[channel + c] : S(0);
  }
  __syncthreads();
  for (int k = 0; k < count; ++k) {
    S const* const share = room.shares + k * tile::step + here.row * tile::each;
    S const* const value = values + k * step + here.column * each;
    for (int i = 0; i < tile::each; ++i)
      for (int c = 0; c < each; ++c) out[i][c] += share[i] * value[c];
  }
  __syncthreads();
}

}  // namespace foal::device::cuda_ops
