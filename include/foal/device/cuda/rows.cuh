// Operations on matrices by rows on the GPU: adding a bias to each, summing over them.
#pragma once

#include <cstddef>

#include <foal/core/config.hpp>
#include <foal/device/cuda/columns.cuh>

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

template <class S>
struct row_term {
  S const* x;
  __device__ no_column_state at(int) const { return {}; }
  __device__ void operator()(no_column_state, std::size_t i, double* sum) const { sum[0] += static_cast<double>(x[i]); }
};

/// out[c] += sum over r of x[r, c]. part: as column_sums has it.
template <class S>
void sum_of_rows(cudaStream_t stream, int rows, int cols, S const* x, S* out, double* part) {
  column_sums<1>("sum_of_rows", stream, rows, cols, row_term<S>{x}, add_column_sums<S>{{out, nullptr}, 1}, part);
}

template <class S>
struct copy_row_element {
  static constexpr int width = 1;
  S const* x;
  S* y;
  std::size_t columns, x_stride, y_stride;
  __device__ no_column_state at(int) const { return {}; }
  __device__ void operator()(no_column_state, std::size_t i) const {
    y[i / columns * y_stride + i % columns] = x[i / columns * x_stride + i % columns];
  }
};

/// y[r * y_stride + c] = x[r * x_stride + c] for c in [0, cols).
template <class S>
void copy_rows(cudaStream_t stream, int rows, int cols, S const* x, int x_stride, S* y, int y_stride) {
  over_rows("copy_rows", stream, rows, cols,
            copy_row_element<S>{x, y, static_cast<std::size_t>(cols), static_cast<std::size_t>(x_stride),
                                static_cast<std::size_t>(y_stride)});
}

}  // namespace foal::device::cuda_ops
