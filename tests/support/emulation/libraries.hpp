// What the emulated libraries have, set by tests, and what they share.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace foal::test::emulation {

/// Reset with the emulation.
struct library_answers {
  bool products = true;             ///< cuBLASLt has an algorithm
  bool sums = true;                 ///< with the sum of a factor's rows beside a product
  bool convolutions = true;         ///< cuDNN has an engine that foal takes
  std::size_t engine_bytes = 4096;  ///< workspace of that engine
};
library_answers& libraries();

/// What TF32 keeps of a float: 10 bits, to the nearest.
inline float tf32(float x) {
  auto const bits = std::bit_cast<std::uint32_t>(x);
  return std::bit_cast<float>((bits + 0xfffU + (bits >> 13U & 1U)) & ~0x1fffU);
}
inline double tf32(double x) { return x; }

/// A number as a library reads it, and as it writes it. std::uint16_t: bfloat16, to the nearest, of two the even one.
inline double value_of(float x) { return static_cast<double>(x); }
inline double value_of(double x) { return x; }
inline double value_of(std::uint16_t x) {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16U));
}
template <class S>
S stored(double x) {
  return static_cast<S>(x);
}
template <>
inline std::uint16_t stored<std::uint16_t>(double x) {
  auto const bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(bits >> 16U | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16U & 1U)) >> 16U);
}

}  // namespace foal::test::emulation
