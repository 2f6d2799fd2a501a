// Sums over whole arrays in a fixed order: grid and tree depend on the number of elements alone.
#pragma once

#include <algorithm>
#include <cstddef>

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

template <class S>
__global__ void sum_of_squares_kernel(std::size_t n, S const* x, double* part) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  double sum = 0;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step)
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  sum = block_reduce(sum, add{});
  if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

/// sum = the sum of part[0 .. parts). One block. sum may be part.
template <class T>
__global__ void sum_of_parts_kernel(unsigned parts, T const* part, T* sum) {
  T const total = block_reduce(threadIdx.x < parts ? part[threadIdx.x] : T(0), add{});
  if (threadIdx.x == 0) *sum = total;
}

/// *sum = the sum of x[i]^2 in double. part: most_parts entries; sum may be its first. All on the GPU.
template <class S>
void sum_of_squares(cudaStream_t stream, std::size_t n, S const* x, double* part, double* sum) {
  unsigned const parts =
      static_cast<unsigned>(std::clamp<std::size_t>((n + block_threads - 1) / block_threads, 1, most_parts));
  launch("sum_of_squares", stream, parts, sum_of_squares_kernel<S>, n, x, part);
  launch("sum_of_parts", stream, 1, sum_of_parts_kernel<double>, parts, part, sum);
}

/// Sets *found to 1 if an element is infinite or NaN; threads that find one all write the same.
template <class S>
__global__ void find_non_finite_kernel(std::size_t n, S const* x, int* found) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step)
    if (!isfinite(x[i])) *found = 1;
}

/// *found, which starts at 0, becomes 1 if an element is infinite or NaN. On the GPU.
template <class S>
void find_non_finite(cudaStream_t stream, std::size_t n, S const* x, int* found) {
  if (n != 0) launch("find_non_finite", stream, blocks_for(n), find_non_finite_kernel<S>, n, x, found);
}

}  // namespace foal::device::cuda_ops
