// Starts kernels; the one place where that is spelt.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>

#include <foal/device/cuda/error.hpp>

namespace foal::device::cuda_ops {

inline constexpr unsigned block_threads = 256;
inline constexpr unsigned most_blocks = 4096;  ///< of a kernel whose threads stride over the elements

/// Enqueues kernel(args...) with `blocks` blocks of block_threads threads. Throws foal::error where CUDA refuses it.
template <class... Parameters, class... Args>
void launch(char const* what, cudaStream_t stream, unsigned blocks, void (*kernel)(Parameters...), Args... args) {
  cudaLaunchConfig_t config{};
  config.gridDim.x = blocks;
  config.blockDim.x = block_threads;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, args...), "the launch of ", what);
}

/// Blocks that give n elements a thread each, up to most_blocks.
inline unsigned blocks_for(std::size_t n) {
  return static_cast<unsigned>(std::min<std::size_t>(most_blocks, (n + block_threads - 1) / block_threads));
}

}  // namespace foal::device::cuda_ops
