// Sums over whole arrays in a fixed order: grid and tree depend on the number of elements alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include <foal/core/config.hpp>
#include <foal/device/cuda/launch.cuh>

namespace foal::device::cuda_ops {

inline constexpr unsigned most_parts = 256;  ///< blocks of a reduction: as many parts as one block's tree then takes
static_assert(most_parts <= block_threads);

/// value of all threads of the block joined in a tree; every thread gets it. join(a, b): a of the lower thread.
template <class T, class Join>
__device__ T block_reduce(T value, Join join) {
  __shared__ T lane[block_threads];
  lane[threadIdx.x] = value;
  __syncthreads();
  for (unsigned step = block_threads / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) lane[threadIdx.x] = join(lane[threadIdx.x], lane[threadIdx.x + step]);
    __syncthreads();
  }
  T const result = lane[0];
  __syncthreads();  // so that a second reduction does not write where this one is still being read
  return result;
}

struct add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

/// a or b, whichever is larger; NaN where one of them is.
struct larger_magnitude {
  __device__ double operator()(double a, double b) const { return isnan(a) || a > b ? a : b; }
};

/// Blocks of a reduction over n elements.
inline unsigned reduction_blocks(std::size_t n) {
  return static_cast<unsigned>(std::clamp<std::size_t>((n + block_threads - 1) / block_threads, 1, most_parts));
}

/// to[k] = the sum of part[k][0 .. parts), of N rows that begin most_parts apart. One block.
template <int N>
__global__ void sums_of_parts_kernel(unsigned parts, double const* part, double* to) {
  for (int k = 0; k < N; ++k) {
    double const sum = block_reduce(threadIdx.x < parts ? part[k * most_parts + threadIdx.x] : 0.0, add{});
    if (threadIdx.x == 0) to[k] = sum;
  }
}

template <int N, class F, class... Ps>
__global__ void sums_kernel(std::size_t n, F f, double* part, Ps const*... p) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  double sum[N] = {}, more[N] = {};
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    f(more, p[i]...);
    for (int k = 0; k < N; ++k) sum[k] += more[k];
  }
  for (int k = 0; k < N; ++k) {
    double const total = block_reduce(sum[k], add{});
    if (threadIdx.x == 0) part[k * most_parts + blockIdx.x] = total;
  }
}

/// to[k] = the sum over i of add[k], where f(add, p[i]...) writes add[0] to add[N - 1]. part: N * most_parts entries, apart
/// from to. All on the GPU.
template <int N, class F, class... Ps>
void sums(cudaStream_t stream, std::size_t n, F f, double* part, double* to, Ps const*... p) {
  unsigned const parts = reduction_blocks(n);
  launch("sums", stream, parts, sums_kernel<N, F, Ps...>, n, f, part, p...);
  launch("sums_of_parts", stream, 1, sums_of_parts_kernel<N>, parts, static_cast<double const*>(part), to);
}

struct square {
  template <class S>
  FOAL_HOST_DEVICE void operator()(double* add, S const& x) const {
    *add = static_cast<double>(x) * static_cast<double>(x);
  }
};

template <class S>
__global__ void magnitudes_kernel(std::size_t n, S const* x, double not_finite, double* part) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  double most = 0;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    double const size = static_cast<double>(x[i] < S(0) ? -x[i] : x[i]);
    most = larger_magnitude{}(isfinite(size) ? size : not_finite, most);
  }
  most = block_reduce(most, larger_magnitude{});
  if (threadIdx.x == 0) part[blockIdx.x] = most;
}

template <class T>
__global__ void largest_of_parts_kernel(unsigned parts, T const* part, T* to) {
  T const most = block_reduce(threadIdx.x < parts ? part[threadIdx.x] : T(0), larger_magnitude{});
  if (threadIdx.x == 0) *to = most;
}

/// *to = the largest magnitude; NaN where an element is not finite. part: most_parts entries, apart from to. On the GPU.
template <class S>
void magnitude_bound(cudaStream_t stream, std::size_t n, S const* x, double* part, double* to) {
  unsigned const parts = reduction_blocks(n);
  launch("magnitudes", stream, parts, magnitudes_kernel<S>, n, x, std::numeric_limits<double>::quiet_NaN(), part);
  launch("largest_of_parts", stream, 1, largest_of_parts_kernel<double>, parts, static_cast<double const*>(part), to);
}

}  // namespace foal::device::cuda_ops
