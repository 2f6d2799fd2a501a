// Narrow numbers on the GPU: bfloat16, and rows of 8-bit integers with a scale each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <foal/device/cuda/embedding.cuh>
#include <foal/device/cuda/map.cuh>
#include <foal/device/cuda/reduce.cuh>

namespace foal::device::cuda_ops {

/// The bits of a float, and a float of bits.
__device__ inline std::uint32_t bits_of(float x) {
  union {
    float number;
    std::uint32_t bits;
  } const both{x};
  return both.bits;
}
__device__ inline float number_of(std::uint32_t bits) {
  union {
    std::uint32_t bits;
    float number;
  } const both{bits};
  return both.number;
}

struct narrow_element {
  __device__ void operator()(float const& x, std::uint16_t& y) const {
    std::uint32_t const bits = bits_of(x), rounded = (bits + 0x7FFFU + (bits >> 16U & 1U)) >> 16U;
    std::uint32_t const quiet = bits >> 16U | 0x40U;  // rounding could carry a NaN to infinity
    y = static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? quiet : rounded);
  }
};
struct widen_element {
  __device__ void operator()(std::uint16_t const& x, float& y) const { y = number_of(static_cast<std::uint32_t>(x) << 16U); }
};

/// y[i] = x[i] in bfloat16, rounded to nearest even, as host_ops::bfloat16_ops has it.
inline void narrow(cudaStream_t stream, std::size_t n, float const* x, std::uint16_t* y) {
  map(stream, n, narrow_element{}, x, y);
}
/// y[i] = x[i], exactly.
inline void widen(cudaStream_t stream, std::size_t n, std::uint16_t const* x, float* y) {
  map(stream, n, widen_element{}, x, y);
}

struct larger_integer {
  __device__ int operator()(int a, int b) const { return a < b ? b : a; }
};

// Of the host's compiler, as in softmax.cuh.
inline constexpr float least_quantised = 127 * std::numeric_limits<float>::min();
inline constexpr int bits_of_infinity = 0x7F800000;

/// A block a row. Magnitudes are compared as integers, which are ordered as they are, NaN above infinity.
template <class Code>
__global__ void __launch_bounds__(block_threads)
    quantise_kernel(std::size_t rows, std::size_t row, float const* x, float* error, Code* code) {
  for (std::size_t r = blockIdx.x; r < rows; r += gridDim.x) {
    float const* const v = x + r * row;
    float* const e = error == nullptr ? nullptr : error + r * row;
    Code* const to = code + r * (row + sizeof(float));
    int most = 0;
    for (std::size_t i = threadIdx.x; i < row; i += blockDim.x)
      most = larger_integer{}(most, static_cast<int>(bits_of(v[i]) & 0x7FFFFFFFU));
    most = block_reduce(most, larger_integer{});
    bool const owed = e != nullptr && most != 0;  // a row of zeros leaves its errors for the next one
    if (owed) {
      most = 0;
      for (std::size_t i = threadIdx.x; i < row; i += blockDim.x) {
        float const sum = e[i] + v[i];
        e[i] = sum;
        most = larger_integer{}(most, static_cast<int>(bits_of(sum) & 0x7FFFFFFFU));
      }
      most = block_reduce(most, larger_integer{});
    }
    float const size = number_of(static_cast<std::uint32_t>(most));
    bool const finite = most < bits_of_infinity, coded = finite && size >= least_quantised;
    float const scale = coded ? size / 127.0F : finite ? 0.0F : not_a_number<float>;
    float const inverse = coded ? 127.0F / size : 0.0F;
    for (std::size_t i = threadIdx.x; i < row; i += blockDim.x) {
      float const value = owed ? e[i] : v[i], nearest = coded ? rintf(value * inverse) : 0.0F;
      to[sizeof(float) + i] = static_cast<Code>(static_cast<std::int8_t>(nearest));
      if (!owed) continue;
      if (coded) e[i] = value - nearest * scale;
      if (!finite) e[i] = 0.0F;
    }
    if (threadIdx.x < sizeof(float))  // by bytes, for rows of any size follow each other
      to[threadIdx.x] = static_cast<Code>(bits_of(scale) >> 8U * threadIdx.x);
  }
}
template <class Code>
__global__ void __launch_bounds__(block_threads)
    dequantise_kernel(std::size_t rows, std::size_t row, Code const* code, float* y) {
  for (std::size_t r = blockIdx.x; r < rows; r += gridDim.x) {
    Code const* const from = code + r * (row + sizeof(float));
    std::uint32_t bits = 0;
    for (unsigned i = 0; i < sizeof(float); ++i) bits |= static_cast<std::uint32_t>(from[i]) << 8U * i;
    float const scale = number_of(bits);
    for (std::size_t i = threadIdx.x; i < row; i += blockDim.x)
      y[r * row + i] = static_cast<float>(static_cast<std::int8_t>(from[sizeof(float) + i])) * scale;
  }
}

/// Each row of x [rows, row] as its scale, four bytes, and a byte an element, as codec::int8 lays them out and
/// host_ops::int8_ops makes them; error: as many elements as x, or null.
inline void quantise_rows(cudaStream_t stream, std::size_t rows, std::size_t row, float const* x, float* error,
                          std::byte* code) {
  if (rows != 0)
    launch("quantise_rows", stream, static_cast<unsigned>(std::min<std::size_t>(rows, most_blocks)),
           quantise_kernel<std::uint8_t>, rows, row, x, error, reinterpret_cast<std::uint8_t*>(code));
}
/// y = what the code says.
inline void dequantise_rows(cudaStream_t stream, std::size_t rows, std::size_t row, std::byte const* code, float* y) {
  if (rows != 0)
    launch("dequantise_rows", stream, static_cast<unsigned>(std::min<std::size_t>(rows, most_blocks)),
           dequantise_kernel<std::uint8_t>, rows, row, reinterpret_cast<std::uint8_t const*>(code), y);
}

}  // namespace foal::device::cuda_ops
