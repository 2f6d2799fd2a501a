// Operations on matrices by rows on the GPU: adding a bias to each, summing over them.
#pragma once

#include <cstddef>

#include <foal/core/config.hpp>
#include <foal/device/cuda/launch.cuh>

namespace foal::device::cuda_ops {

/// y += x, for map.
struct add_element {
  template <class S>
  FOAL_HOST_DEVICE void operator()(S const& x, S& y) const {
    y += x;
  }
};

template <class S>
__global__ void add_to_rows_kernel(std::size_t n, int cols, S const* bias, S* y) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step)
    y[i] += bias[i % static_cast<std::size_t>(cols)];
}

/// y[r, c] += bias[c].
template <class S>
void add_to_rows(cudaStream_t stream, int rows, int cols, S const* bias, S* y) {
  std::size_t const n = static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
  if (n != 0) launch("add_to_rows", stream, blocks_for(n), add_to_rows_kernel<S>, n, cols, bias, y);
}

/// A thread a column, and the host's order: rows in blocks of 64, the blocks in order, so the bits are the host's too.
template <class S>
__global__ void sum_of_rows_kernel(int rows, int cols, S const* x, S* out) {
  constexpr int block = 64;
  unsigned const c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= static_cast<unsigned>(cols)) return;
  S sum = out[c];
  for (int first = 0; first < rows; first += block) {
    int const last = rows - first < block ? rows : first + block;
    S part = S(0);
    for (int r = first; r < last; ++r) part += x[static_cast<std::size_t>(r) * static_cast<std::size_t>(cols) + c];
    sum += part;
  }
  out[c] = sum;
}

/// out[c] += sum over r of x[r, c].
template <class S>
void sum_of_rows(cudaStream_t stream, int rows, int cols, S const* x, S* out) {
  unsigned const blocks = (static_cast<unsigned>(cols) + block_threads - 1) / block_threads;
  if (blocks != 0) launch("sum_of_rows", stream, blocks, sum_of_rows_kernel<S>, rows, cols, x, out);
}

}  // namespace foal::device::cuda_ops
