// Arrays of floats as bfloat16 on the GPU, for what multiplies them, and where they lie meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>

#include <foal/device/cuda/codec.cuh>
#include <foal/device/cuda/launch.cuh>

namespace foal::device::cuda_ops {

/// Scratch of one device object, 256-byte aligned: its ops are done one after the other, so each has all of it. Sizes are in
/// elements and multiples of 8.
struct narrow_rooms {
  std::uint16_t *first = nullptr, *second = nullptr;
  std::size_t piece = 0;  ///< of each of them: sizes that ops are cut to, so the same for every model
  std::uint16_t* weights = nullptr;
  std::size_t most_weights = 0;
};

/// Elements of a row whose next one begins on 16 bytes, as tensor cores have it best.
constexpr std::size_t narrow_step(std::size_t cols) { return (cols + 7) / 8 * 8; }

struct alignas(16) eight_narrow {
  std::uint16_t x[8];
};
struct alignas(16) four_floats {
  float x[4];
};

/// A thread eight elements of y at a time, which is aligned to them; the rest of a row becomes 0. Four: rows of x are
/// aligned to four.
template <bool Four>
__global__ void narrow_rows_kernel(std::size_t n, std::size_t cols, std::size_t step, std::size_t from, float const* x,
                                   std::uint16_t* y) {
  std::size_t const threads = std::size_t{gridDim.x} * blockDim.x, across = step / 8;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += threads) {
    std::size_t const col = i % across * 8;
    float const* const in = x + i / across * from + col;
    eight_narrow out;
    for (std::size_t k = 0; k < 8; k += 4) {
      four_floats some{};
      if (Four && col + k + 4 <= cols)
        some = *reinterpret_cast<four_floats const*>(in + k);
      else
        for (std::size_t j = 0; j < 4; ++j)
          if (col + k + j < cols) some.x[j] = in[k + j];
      for (std::size_t j = 0; j < 4; ++j) narrow_element{}(some.x[j], out.x[k + j]);
    }
    reinterpret_cast<eight_narrow*>(y)[i] = out;
  }
}

/// y [rows, narrow_step(cols)] = x [rows, cols] in bfloat16, rounded to nearest even, with rows of x `from` elements apart
/// and zeros behind the rows of y, which is 16-byte aligned.
inline void narrow_rows(cudaStream_t stream, std::size_t rows, std::size_t cols, std::size_t from, float const* x,
                        std::uint16_t* y) {
  std::size_t const step = narrow_step(cols), n = rows * step / 8;
  if (n == 0) return;
  bool const four = reinterpret_cast<std::uintptr_t>(x) % 16 == 0 && (from % 4 == 0 || rows == 1);
  launch("narrow_rows", stream, blocks_for(n), four ? narrow_rows_kernel<true> : narrow_rows_kernel<false>, n, cols, step,
         from, x, y);
}

}  // namespace foal::device::cuda_ops
