// The elementwise map on the GPU: the functors that run on the host, one pass, one kernel.
#pragma once

#include <cstddef>

#include <foal/device/cuda/launch.cuh>

namespace foal::device::cuda_ops {

/// Threads stride over the elements, so any n fits a grid of most_blocks.
template <class F, class... Ps>
__global__ void map_kernel(std::size_t n, F f, Ps*... p) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) f(p[i]...);
}

/// Calls f(p[i]...) for i in [0, n). f's operator() is FOAL_HOST_DEVICE; arrays are the same or do not overlap.
template <class F, class... Ps>
void map(cudaStream_t stream, std::size_t n, F f, Ps*... p) {
  if (n != 0) launch("map", stream, blocks_for(n), map_kernel<F, Ps...>, n, f, p...);
}

/// Each thread makes the functor for itself: the block is some bytes that all read alike.
template <class Make, class... Ps>
__global__ void map_from_kernel(std::size_t n, Make make, void const* block, Ps*... p) {
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  if (!make.goes(block)) return;
  auto const f = make(block);
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) f(p[i]...);
}

/// The same with make(block), if make.goes(block), both FOAL_HOST_DEVICE. block: on the GPU.
template <class Make, class... Ps>
void map_from(cudaStream_t stream, std::size_t n, Make make, void const* block, Ps*... p) {
  if (n != 0) launch("map_from", stream, blocks_for(n), map_from_kernel<Make, Ps...>, n, make, block, p...);
}

}  // namespace foal::device::cuda_ops
