// Conversion between float and bfloat16 on the host.
#pragma once

#include <foal/core/config.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace foal::device::host_ops {

/// bfloat16 is the upper half of a float; it is kept in 16 bits without a type of its own, for nothing computes in it.
struct bfloat16_ops {
  /// y[i] = x[i], rounded to nearest even; infinities and signs stay, too large values become infinite, NaN stays NaN.
  [[gnu::noinline]] static void narrow(std::size_t n, float const* __restrict x, std::uint16_t* __restrict y) {
    for (std::size_t i = 0; i < n; ++i) {
      auto const bits = std::bit_cast<std::uint32_t>(x[i]);
      std::uint32_t const rounded = (bits + 0x7FFFU + (bits >> 16U & 1U)) >> 16U;
      std::uint32_t const quiet = bits >> 16U | 0x40U;  // rounding could carry a NaN to infinity
      y[i] = static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? quiet : rounded);
    }
  }
  /// y[i] = x[i], exactly.
  [[gnu::noinline]] static void widen(std::size_t n, std::uint16_t const* __restrict x, float* __restrict y) {
    for (std::size_t i = 0; i < n; ++i) y[i] = std::bit_cast<float>(static_cast<std::uint32_t>(x[i]) << 16U);
  }
};

}  // namespace foal::device::host_ops
