// Scaled dot-product attention on the GPU, forward and backward, in tiles, without atomics and without a matrix of scores in
// memory (Dao et al., FlashAttention): own kernels, for no library has it in float.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include <foal/device/cuda/attention_tiles.cuh>

namespace foal::device::cuda_ops {

template <class S>
inline constexpr S no_score = -std::numeric_limits<S>::infinity();

/// Which part of an attention a block has: the `tile`-th of the queries or keys of one head of one sample, and a slice of
/// the head's channels of the result. A wider head is cut, and its scores are made for each slice again.
struct attention_block_place {
  int tile, slice, head, sample;
  __device__ attention_block_place(int tiles, int slices, int heads) {
    unsigned rest = blockIdx.x;
    tile = static_cast<int>(rest % static_cast<unsigned>(tiles));
    rest /= static_cast<unsigned>(tiles);
    slice = static_cast<int>(rest % static_cast<unsigned>(slices));
    rest /= static_cast<unsigned>(slices);
    head = static_cast<int>(rest % static_cast<unsigned>(heads));
    sample = static_cast<int>(rest / static_cast<unsigned>(heads));
  }
};

/// Where the statistics of a head lie: per query the largest score, then per query one over the sum.
template <class S>
__device__ S* kept_of_head(attention_samples const& n, attention_samples::one const& s, int head, S* kept) {
  return kept + static_cast<std::ptrdiff_t>(s.query) * 2 * n.heads + static_cast<std::ptrdiff_t>(head) * 2 * s.queries;
}

__device__ inline int smaller_of(int a, int b) { return a < b ? a : b; }

template <int Slice, class S, class Keys>
__global__ void __launch_bounds__(block_threads)
    attention_forward_kernel(attention_samples n, int tiles, int slices, attention_rows<S const> q, Keys k, Keys v,
                             S const* lengths, S scale, S* y, S* kept) {
  using tile = attention_tile<S>;
  constexpr int each = tile::each, columns = Slice / tile::threads;
  __shared__ attention_room<S> room;
  tile const here;
  attention_block_place const at(tiles, slices, n.heads);
  attention_samples::one const s = n.of(at.sample, lengths);
  int const first = (n.causal ? tiles - 1 - at.tile : at.tile) * tile::side;  // the longest rows begin first
  if (first >= s.queries) return;
  int const queries = smaller_of(tile::side, s.queries - first), channel = at.head * n.head_width;
  int const seen = n.causal ? smaller_of(s.seen, n.keys_before + first + queries) : s.seen;

  S top[each], sum[each], out[each][columns] = {};
  for (int i = 0; i < each; ++i) top[i] = no_score<S>, sum[i] = S(0);
  for (int key = 0; key < seen; key += tile::side) {
    int const count = smaller_of(tile::side, seen - key);
    S score[each][each];
    multiply_rows<S>(
        room, n.head_width, queries, [&](int r) { return q.at(s.number, s.query, first + r) + channel; }, scale, count,
        [&](int r) { return k.at(s.number, s.key, key + r) + channel; }, score);
    for (int i = 0; i < each; ++i) {
      S largest = no_score<S>;
      for (int j = 0; j < each; ++j) {
        int const row = first + here.row * each + i, column = key + here.column * each + j;
        // Rows that are no queries keep finite scores, which nobody reads.
        if (column >= s.seen || (n.causal && column > n.keys_before + row)) score[i][j] = no_score<S>;
        if (score[i][j] > largest) largest = score[i][j];
      }
      for (int apart = tile::threads / 2; apart > 0; apart /= 2) {
        S const other = __shfl_xor_sync(0xffffffffU, largest, apart, tile::threads);
        if (other > largest) largest = other;
      }
      S const before = top[i];
      if (largest > top[i]) top[i] = largest;
      S const by = key == 0 ? S(1) : std::exp(before - top[i]);
      S part = S(0);
      for (int j = 0; j < each; ++j) {
        score[i][j] = std::exp(score[i][j] - top[i]);
        part += score[i][j];
      }
      sum[i] = sum[i] * by + part;
      for (int c = 0; c < columns; ++c) out[i][c] *= by;
    }
    leave_shares<S>(room, score);
    add_products<Slice, S>(
        room, count, at.slice * Slice, n.head_width, [&](int r) { return v.at(s.number, s.key, key + r) + channel; }, out);
  }
  for (int i = 0; i < each; ++i) {
    for (int apart = tile::threads / 2; apart > 0; apart /= 2)
      sum[i] += __shfl_xor_sync(0xffffffffU, sum[i], apart, tile::threads);
    int const row = here.row * each + i;
    if (row >= queries) continue;
    S const inverse = seen > 0 ? S(1) / sum[i] : S(0);
    S* const to = y + static_cast<std::ptrdiff_t>(s.query + first + row) * n.width + channel;
    for (int c = 0; c < columns; ++c) {
      int const own = at.slice * Slice + here.column * columns + c;
      if (own < n.head_width) to[own] = seen > 0 ? out[i][c] * inverse : S(0);
    }
    if (kept == nullptr || at.slice != 0 || here.column != 0) continue;
    S* const statistics = kept_of_head(n, s, at.head, kept);
    statistics[first + row] = top[i];
    statistics[s.queries + first + row] = inverse;
  }
}

/// Of `count` queries from `first` on: what forward kept, and y . dy, the mean of the slopes of their probabilities.
template <class S>
__device__ void load_statistics(attention_room<S>& room, attention_samples const& n, attention_samples::one const& s,
                                int head, int first, int count, S const* y, S const* kept, S const* dy) {
  using tile = attention_tile<S>;
  constexpr int lanes = static_cast<int>(block_threads) / tile::side;
  int const row = static_cast<int>(threadIdx.x) / lanes, lane = static_cast<int>(threadIdx.x) % lanes;
  bool const there = row < count;
  S sum = S(0);
  if (there) {
    std::ptrdiff_t const at = static_cast<std::ptrdiff_t>(s.query + first + row) * n.width + head * n.head_width;
    for (int c = lane; c < n.head_width; c += lanes) sum += y[at + c] * dy[at + c];
  }
  for (int apart = lanes / 2; apart > 0; apart /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, apart, lanes);
  if (lane == 0) {
    S const* const statistics = kept_of_head(n, s, head, kept);
    room.top[row] = there ? statistics[first + row] : S(0);
    room.inverse[row] = there ? statistics[s.queries + first + row] : S(0);
    room.mean[row] = sum;
  }
  __syncthreads();
}

template <int Slice, class S, class Keys>
__global__ void __launch_bounds__(block_threads)
    attention_query_gradient_kernel(attention_samples n, int tiles, int slices, attention_rows<S const> q, Keys k, Keys v,
                                    S const* lengths, S scale, S const* y, S const* kept, S const* dy,
                                    attention_rows<S> dq) {
  using tile = attention_tile<S>;
  constexpr int each = tile::each, columns = Slice / tile::threads;
  __shared__ attention_room<S> room;
  tile const here;
  attention_block_place const at(tiles, slices, n.heads);
  attention_samples::one const s = n.of(at.sample, lengths);
  int const first = (n.causal ? tiles - 1 - at.tile : at.tile) * tile::side;
  if (first >= s.queries) return;
  int const queries = smaller_of(tile::side, s.queries - first), channel = at.head * n.head_width;
  int const seen = n.causal ? smaller_of(s.seen, n.keys_before + first + queries) : s.seen;
  auto const dy_row = [&](int r) { return dy + static_cast<std::ptrdiff_t>(s.query + first + r) * n.width + channel; };

  S out[each][columns] = {};
  load_statistics(room, n, s, at.head, first, queries, y, kept, dy);
  for (int key = 0; key < seen; key += tile::side) {
    int const count = smaller_of(tile::side, seen - key);
    auto const k_row = [&](int r) { return k.at(s.number, s.key, key + r) + channel; };
    S score[each][each], slope[each][each];
    multiply_rows<S>(
        room, n.head_width, queries, [&](int r) { return q.at(s.number, s.query, first + r) + channel; }, scale, count,
        k_row, score);
    multiply_rows<S>(
        room, n.head_width, queries, dy_row, S(1), count, [&](int r) { return v.at(s.number, s.key, key + r) + channel; },
        slope);
    for (int i = 0; i < each; ++i) {
      int const row = here.row * each + i;
      for (int j = 0; j < each; ++j) {
        bool const sees = n.sees(s, first + row, key + here.column * each + j);
        S const probability = sees ? std::exp(score[i][j] - room.top[row]) * room.inverse[row] : S(0);
        slope[i][j] = sees ? probability * (slope[i][j] - room.mean[row]) * scale : S(0);
      }
    }
    leave_shares<S>(room, slope);
    add_products<Slice, S>(room, count, at.slice * Slice, n.head_width, k_row, out);
  }
  for (int i = 0; i < each; ++i) {
    int const row = here.row * each + i;
    if (row >= queries) continue;
    S* const to = dq.at(s.number, s.query, first + row) + channel;
    for (int c = 0; c < columns; ++c) {
      int const own = at.slice * Slice + here.column * columns + c;
      if (own < n.head_width) to[own] = out[i][c];
    }
  }
}

template <int Slice, class S, class Keys, class Gradients>
__global__ void __launch_bounds__(block_threads)
    attention_key_gradient_kernel(attention_samples n, int tiles, int slices, attention_rows<S const> q, Keys k, Keys v,
                                  S const* lengths, S scale, S const* y, S const* kept, S const* dy, Gradients dk,
                                  Gradients dv, bool add) {
  using tile = attention_tile<S>;
  constexpr int each = tile::each, columns = Slice / tile::threads;
  __shared__ attention_room<S> room;
  tile const here;
  attention_block_place const at(tiles, slices, n.heads);
  attention_samples::one const s = n.of(at.sample, lengths);
  int const key = at.tile * tile::side;
  if (key >= s.keys) return;
  int const count = smaller_of(tile::side, s.keys - key), channel = at.head * n.head_width;
  int const hidden = n.causal && key > n.keys_before ? key - n.keys_before : 0;  // queries that see none of these keys
  int const none = key < s.seen ? s.queries : 0;

  S to_k[each][columns] = {}, to_v[each][columns] = {};
  for (int first = hidden / tile::side * tile::side; first < none; first += tile::side) {
    int const queries = smaller_of(tile::side, s.queries - first);
    auto const q_row = [&](int r) { return q.at(s.number, s.query, first + r) + channel; };
    auto const dy_row = [&](int r) { return dy + static_cast<std::ptrdiff_t>(s.query + first + r) * n.width + channel; };
    load_statistics(room, n, s, at.head, first, queries, y, kept, dy);
    S score[each][each], slope[each][each];
    // The scale goes to the scores here: scaled keys times queries are other bits than keys times scaled queries.
    multiply_rows<S>(
        room, n.head_width, count, [&](int r) { return k.at(s.number, s.key, key + r) + channel; }, scale, queries, q_row,
        score);
    multiply_rows<S>(
        room, n.head_width, count, [&](int r) { return v.at(s.number, s.key, key + r) + channel; }, S(1), queries, dy_row,
        slope);
    for (int j = 0; j < each; ++j) {
      int const query = here.column * each + j;
      for (int i = 0; i < each; ++i) {
        bool const sees = n.sees(s, first + query, key + here.row * each + i);
        score[i][j] = sees ? std::exp(score[i][j] - room.top[query]) * room.inverse[query] : S(0);
        slope[i][j] = sees ? score[i][j] * (slope[i][j] - room.mean[query]) * scale : S(0);
      }
    }
    leave_shares<S>(room, score);
    add_products<Slice, S>(room, queries, at.slice * Slice, n.head_width, dy_row, to_v);
    leave_shares<S>(room, slope);
    add_products<Slice, S>(room, queries, at.slice * Slice, n.head_width, q_row, to_k);
  }
  for (int i = 0; i < each; ++i) {
    int const row = here.row * each + i;
    if (row >= count) continue;
    S* const k_to = dk.at(s.number, s.key, key + row) + channel;
    S* const v_to = dv.at(s.number, s.key, key + row) + channel;
    for (int c = 0; c < columns; ++c) {
      int const own = at.slice * Slice + here.column * columns + c;
      if (own >= n.head_width) continue;
      k_to[own] = add ? k_to[own] + to_k[i][c] : to_k[i][c];
      v_to[own] = add ? v_to[own] + to_v[i][c] : to_v[i][c];
    }
  }
}

/// Calls run(slice, slices): how many channels of the result a block has, and how many blocks a head takes.
template <class Run>
void with_slice(int head_width, Run run) {
  if (head_width <= 32)
    run(std::integral_constant<int, 32>{}, 1);
  else
    run(std::integral_constant<int, 64>{}, (head_width + 63) / 64);
}

template <class S>
int attention_tiles(int positions) {
  return (positions + attention_tile<S>::side - 1) / attention_tile<S>::side;
}

/// y = softmax(q k^T / sqrt(head width)) v, head by head, as host_ops::attention_ops has it; lengths and kept may be null.
template <class S, class Keys>
void attention_forward(cudaStream_t stream, attention_sizes const& n, position_rows<S const> q, Keys const& k, Keys const& v,
                       S const* lengths, S* y, S* kept) {
  S const scale = static_cast<S>(1 / std::sqrt(static_cast<double>(n.head_width())));
  auto const q_rows = rows_for_kernel(q);
  auto const k_rows = rows_for_kernel(k), v_rows = rows_for_kernel(v);
  for_attention_samples(n, [&](attention_samples const& s, int queries, int /*keys*/) {
    with_slice(s.head_width, [&](auto slice, int slices) {
      int const tiles = attention_tiles<S>(queries);
      if (tiles == 0) return;
      launch("attention_forward", stream, static_cast<unsigned>(tiles * slices * s.heads * s.count),
             attention_forward_kernel<decltype(slice)::value, S, std::decay_t<decltype(k_rows)>>, s, tiles, slices, q_rows,
             k_rows, v_rows, lengths, scale, y, kept);
    });
  });
}

/// Whether gradients of keys and values are wanted.
template <class S>
bool are_wanted(position_rows<S> const& gradients) {
  return gradients.data != nullptr;
}
template <class S>
bool are_wanted(segment_rows<S> const&) {
  return true;
}

/// dq, dk, dv from dy and what forward saw, made and kept, as host_ops::attention_ops has them: dk and dv are written, or
/// added to, or not wanted.
template <class S, class Keys, class Gradients>
void attention_backward(cudaStream_t stream, attention_sizes const& n, position_rows<S const> q, Keys const& k,
                        Keys const& v, S const* lengths, S const* y, S const* kept, S const* dy, position_rows<S> dq,
                        Gradients const& dk, Gradients const& dv, bool add) {
  S const scale = static_cast<S>(1 / std::sqrt(static_cast<double>(n.head_width())));
  auto const q_rows = rows_for_kernel(q);
  auto const k_rows = rows_for_kernel(k), v_rows = rows_for_kernel(v);
  auto const dq_rows = rows_for_kernel(dq);
  auto const dk_rows = rows_for_kernel(dk), dv_rows = rows_for_kernel(dv);
  using keys_type = std::decay_t<decltype(k_rows)>;
  using gradients_type = std::decay_t<decltype(dk_rows)>;
  for_attention_samples(n, [&](attention_samples const& s, int queries, int keys) {
    with_slice(s.head_width, [&](auto slice, int slices) {
      int const tiles = attention_tiles<S>(queries), key_tiles = attention_tiles<S>(keys);
      if (tiles > 0)
        launch("attention_query_gradient", stream, static_cast<unsigned>(tiles * slices * s.heads * s.count),
               attention_query_gradient_kernel<decltype(slice)::value, S, keys_type>, s, tiles, slices, q_rows, k_rows,
               v_rows, lengths, scale, y, kept, dy, dq_rows);
      if (key_tiles > 0 && are_wanted(dk))
        launch("attention_key_gradient", stream, static_cast<unsigned>(key_tiles * slices * s.heads * s.count),
               attention_key_gradient_kernel<decltype(slice)::value, S, keys_type, gradients_type>, s, key_tiles, slices,
               q_rows, k_rows, v_rows, lengths, scale, y, kept, dy, dk_rows, dv_rows, add);
    });
  });
}

}  // namespace foal::device::cuda_ops
