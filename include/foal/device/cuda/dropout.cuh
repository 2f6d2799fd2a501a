// Dropout on the GPU: the mask is a function of the random key, the same as on the host.
#pragma once

#include <cstddef>
#include <cstdint>

#include <foal/core/random.hpp>
#include <foal/device/cuda/launch.cuh>

namespace foal::device::cuda_ops {

/// A thread has the four elements that one block of random bits serves; `quarters` of them make up a sample. skip: words
/// that the first block has for elements that lie before.
template <class S>
__global__ void dropout_kernel(std::size_t n, int elements, std::size_t quarters, std::uint32_t first_block, int skip,
                               random_key key, std::uint32_t threshold, S scale, S const* x, S* y,
                               std::uint64_t const* first) {
  if (first != nullptr) key.sample += *first;
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t t = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; t < n; t += step) {
    std::size_t const sample = t / quarters, quarter = t % quarters;
    random_key own = key;
    own.sample += sample;
    random_block const bits = random_bits(own, first_block + static_cast<std::uint32_t>(quarter));
    std::ptrdiff_t const at = 4 * static_cast<std::ptrdiff_t>(quarter) - skip;
    for (int i = 0; i < 4; ++i) {
      if (at + i < 0 || at + i >= elements) continue;
      std::size_t const e = sample * static_cast<std::size_t>(elements) + static_cast<std::size_t>(at + i);
      y[e] = (bits.word[i] >> 8U) >= threshold ? x[e] * scale : S(0);
    }
  }
}

/// y = x * scale where the 24 random bits of the element are at least `threshold`, else 0. x, y [samples, elements]; sample
/// i draws from the stream of key.sample + i, and *first, on the GPU, more where it is not null. `before` elements of each
/// sample lie elsewhere, before those that are here. y may be x.
template <class S>
void dropout_from(cudaStream_t stream, int samples, int elements, random_key key, std::uint32_t threshold, S scale,
                  S const* x, S* y, std::ptrdiff_t before, std::uint64_t const* first) {
  int const skip = static_cast<int>(before % 4);
  std::size_t const quarters = (static_cast<std::size_t>(elements) + static_cast<std::size_t>(skip) + 3) / 4;
  std::size_t const n = elements == 0 ? 0 : static_cast<std::size_t>(samples) * quarters;
  if (n != 0)
    launch("dropout", stream, blocks_for(n), dropout_kernel<S>, n, elements, quarters,
           static_cast<std::uint32_t>(before / 4), skip, key, threshold, scale, x, y, first);
}

}  // namespace foal::device::cuda_ops
