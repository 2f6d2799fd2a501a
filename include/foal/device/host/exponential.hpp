// The exponential function of the softmax: without a branch, so that loops over it vectorise.
#pragma once

#include <foal/core/config.hpp>

#include <bit>
#include <cmath>
#include <cstdint>

namespace foal::device::host_ops {

/// e^x for x <= 88, NaN for NaN. Exactly 1 at 0 and exactly 0 below -87.3, where the result would be denormal.
inline double exponential(double x) { return std::exp(x); }

/// In float: x = n ln 2 + r, e^x = 2^n e^r, and e^r by the polynomial of the Cephes library; within 2 units in the last
/// place.
inline float exponential(float x) {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: added, it leaves the nearest integer in the low bits
  float const shifted = x * 1.44269504088896341F + to_integer;
  float const n = shifted - to_integer;
  float const r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  auto const exponent = (std::bit_cast<std::uint32_t>(shifted) + 127U) << 23U;  // the bits of 2^n
  float const value = p * std::bit_cast<float>(exponent);
  // By bits: from a choice between floats g++ makes a branch around the arithmetic, and no vectors where there are no masks.
  std::uint32_t const keep = x < -87.3F ? 0U : ~0U;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & keep);
}

}  // namespace foal::device::host_ops
