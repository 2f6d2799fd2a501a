// Rows of a table by number, and the table of sinusoids, on the GPU.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include <foal/device/cuda/layer_norm.cuh>
#include <foal/device/vocabulary.hpp>

namespace foal::device::cuda_ops {

// Evaluated by the host compiler: a kernel cannot call numeric_limits.
template <class S>
inline constexpr S not_a_number = std::numeric_limits<S>::quiet_NaN();

/// The row of an id, which travels as a scalar, in a part of a vocabulary; -1 where it is not of the part, for NaN too.
template <class S>
__device__ int row_in_part(vocabulary_part part, S id) {
  bool const known = id >= static_cast<S>(part.first) && id < static_cast<S>(part.first + part.count);
  return known ? static_cast<int>(id) - part.first : -1;
}

/// Bits that are set.
__device__ inline int count_of(unsigned bits) {
  int count = 0;
  for (; bits != 0; bits &= bits - 1) ++count;
  return count;
}

template <class S>
__global__ void __launch_bounds__(block_threads)
    embed_kernel(int rows, vocabulary_part part, vocabulary_part whole, int width, bool writes_all, S const* id,
                 S const* table, S scale, S* y) {
  warp_rows const here;
  for (int r = here.first; r < rows; r += here.step) {
    S* const to = y + static_cast<std::size_t>(r) * static_cast<std::size_t>(width);
    int const row = row_in_part(part, id[r]);
    if (row < 0 && !writes_all) continue;
    S const other = row_in_part(whole, id[r]) < 0 ? not_a_number<S> : S(0);
    S const* const from = table + static_cast<std::size_t>(row < 0 ? 0 : row) * static_cast<std::size_t>(width);
    for (int c = here.lane; c < width; c += warp_lanes) to[c] = row < 0 ? other : scale * from[c];
  }
}

/// y[r] = scale * table[id[r] - part.first] where the id is the part's. Other rows: the first part writes 0, or NaN where
/// the id is not of the vocabulary; later parts leave them as they are.
template <class S>
void embed_part(cudaStream_t stream, int rows, vocabulary_part part, int vocabulary, int width, S const* id, S const* table,
                S scale, S* y) {
  if (rows > 0 && width > 0)
    launch("embed", stream, blocks_of_warps(rows), embed_kernel<S>, rows, part, vocabulary_part{0, vocabulary}, width,
           part.first == 0, id, table, scale, y);
}

/// A block a row r. The first row of its id adds up all rows of that id, in their order, and writes; the blocks of the
/// others end. So no two blocks write to one row of the table, and bits do not depend on which is first. Ids are compared
/// with all others: rows^2 / block_threads steps, whatever the vocabulary.
template <class S>
__global__ void __launch_bounds__(block_threads)
    embed_gradient_kernel(int rows, vocabulary_part part, int width, S const* id, S const* dy, S scale, S* dtable) {
  constexpr int lanes = static_cast<int>(block_threads);
  __shared__ int found[block_threads];  // rows of the id among those at hand
  __shared__ int before[block_warps];   // how many are found by the warps
  int const own = static_cast<int>(blockIdx.x), lane = static_cast<int>(threadIdx.x);
  int const row = row_in_part(part, id[own]);
  if (row < 0) return;
  for (int first = 0; first < own; first += lanes) {
    int const r = first + lane;
    if (__syncthreads_or(r < own && row_in_part(part, id[r]) == row)) return;
  }
  S* const to = dtable + static_cast<std::size_t>(row) * static_cast<std::size_t>(width);
  for (int first = own; first < rows; first += lanes) {
    int const r = first + lane, warp = lane / warp_lanes;
    bool const same = r < rows && row_in_part(part, id[r]) == row;
    unsigned const votes = __ballot_sync(0xffffffffU, same);
    if (lane % warp_lanes == 0) before[warp] = count_of(votes);
    __syncthreads();
    int at = 0, count = 0;
    for (int w = 0; w < block_warps; ++w) {
      if (w < warp) at += before[w];
      count += before[w];
    }
    if (same) found[at + count_of(votes & ((1U << (lane % warp_lanes)) - 1U))] = r;
    __syncthreads();
    for (int c = lane; c < width && count > 0; c += lanes) {
      S sum = to[c];
      for (int i = 0; i < count; ++i)
        sum +=
            scale * dy[static_cast<std::size_t>(found[i]) * static_cast<std::size_t>(width) + static_cast<std::size_t>(c)];
      to[c] = sum;
    }
    __syncthreads();  // before the lists are written anew
  }
}

/// dtable[id[r] - part.first] += scale * dy[r] where the id is the part's, in the order of r.
template <class S>
void embed_part_gradient(cudaStream_t stream, int rows, vocabulary_part part, int width, S const* id, S const* dy, S scale,
                         S* dtable) {
  if (rows > 0 && width > 0)
    launch("embed_gradient", stream, static_cast<unsigned>(rows), embed_gradient_kernel<S>, rows, part, width, id, dy, scale,
           dtable);
}

template <class S>
__global__ void __launch_bounds__(block_threads) sinusoids_kernel(int first, std::size_t n, int channels, S* table) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    int const c = static_cast<int>(i % static_cast<std::size_t>(channels));
    double const position = static_cast<double>(first) + static_cast<double>(i / static_cast<std::size_t>(channels));
    double const angle = position * pow(10000.0, -static_cast<double>(c - c % 2) / channels);
    table[i] = static_cast<S>(c % 2 == 0 ? sin(angle) : cos(angle));
  }
}

/// table[p, 2i] = sin((first + p) / 10000^(2i / channels)), table[p, 2i + 1] = cos(the same), in double.
template <class S>
void sinusoids(cudaStream_t stream, int first, int positions, int channels, S* table) {
  std::size_t const n = static_cast<std::size_t>(positions) * static_cast<std::size_t>(channels);
  if (n != 0) launch("sinusoids", stream, blocks_for(n), sinusoids_kernel<S>, first, n, channels, table);
}

}  // namespace foal::device::cuda_ops
