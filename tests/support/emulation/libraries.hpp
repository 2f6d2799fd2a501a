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

}  // namespace foal::test::emulation
