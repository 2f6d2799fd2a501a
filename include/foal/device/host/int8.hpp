// Rows of floats as 8-bit integers with a scale each, and back, on the host.
#pragma once

#include <foal/core/config.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace foal::device::host_ops {

/// Symmetric 8-bit quantisation with a scale for each row: scale = max |v| / 127, q = v / scale rounded to nearest even,
/// -127 <= q <= 127, and what comes back is q * scale. So each element is wrong by at most scale / 2, and by 2^-16 scale
/// more for the roundings of float. Gives the same bits for a row whatever rows lie beside it.
///
/// Error feedback (Seide et al. 2014; Karimireddy et al. 2019): error is what earlier rows lost; v = x + error goes out, and
/// error becomes v - q * scale. So the sum of what has come back and the error is the sum of what was given.
struct int8_ops {
  /// scale[r] and q[r * row, (r + 1) * row) from x[r * row, ...), for each of `rows` rows. error: as many elements as x, or
  /// null: none is fed back.
  ///
  /// A row of zeros has scale 0 and gives zeros exactly; it leaves its errors for the next row. A row with an infinity or a
  /// NaN has the scale NaN, so all of it comes back as NaN; its errors become 0. Rows below 127 * 2^-126 (1.5e-36)
  /// everywhere, whose scale would be no normal number, go out as zeros; their errors keep all of them. The very largest
  /// float may come back as an infinity.
  static void quantise(std::size_t rows, std::size_t row, float const* x, float* error, float* scale, std::int8_t* q) {
    for (std::size_t r = 0; r < rows; ++r) {
      float const* v = x + r * row;
      std::int8_t* const to = q + r * row;
      std::int32_t most = largest(row, v);
      float* const e = error == nullptr ? nullptr : error + r * row;
      if (e != nullptr && most != 0) {
        most = add(row, v, e);
        v = e;
      }
      float const size = std::bit_cast<float>(most);
      scale[r] = 0;
      if (size >= least && size <= std::numeric_limits<float>::max()) {
        scale[r] = size / 127.0F;
        float const inverse = 127.0F / size;
        if (e == nullptr)
          round(row, inverse, v, to);
        else
          round_and_owe(row, inverse, scale[r], e, to);
        continue;
      }
      std::fill_n(to, row, std::int8_t{0});
      if (most < infinity) continue;
      scale[r] = std::numeric_limits<float>::quiet_NaN();
      if (e != nullptr) std::fill_n(e, row, 0.0F);
    }
  }

  /// y = q * scale, row by row.
  static void dequantise(std::size_t rows, std::size_t row, float const* scale, std::int8_t const* q, float* y) {
    for (std::size_t r = 0; r < rows; ++r) widen_row(row, scale[r], q + r * row, y + r * row);
  }

 private:
  static constexpr float least = 127 * std::numeric_limits<float>::min();
  static constexpr std::int32_t infinity = 0x7F800000;
  /// Added to a float below 2^22, it leaves the nearest integer, ties to even, in the lowest bits.
  static constexpr float to_integer = 0x1.8p23F;

  /// The bits of the largest magnitude. As integers they are ordered as the floats are, with NaN above infinity, and a
  /// maximum of integers may be taken in any order, so in registers.
  static std::int32_t bits(float x) { return std::bit_cast<std::int32_t>(x) & 0x7FFFFFFF; }
  [[gnu::noinline]] static std::int32_t largest(std::size_t n, float const* __restrict x) {
    std::int32_t most = 0;
    for (std::size_t i = 0; i < n; ++i) most = std::max(most, bits(x[i]));
    return most;
  }
  /// e += x; the largest of what comes out.
  [[gnu::noinline]] static std::int32_t add(std::size_t n, float const* __restrict x, float* __restrict e) {
    std::int32_t most = 0;
    for (std::size_t i = 0; i < n; ++i) {
      e[i] += x[i];
      most = std::max(most, bits(e[i]));
    }
    return most;
  }
  static std::int32_t nearest(float x) {
    return std::bit_cast<std::int32_t>(x + to_integer) - std::bit_cast<std::int32_t>(to_integer);
  }
  [[gnu::noinline]] static void round(std::size_t n, float inverse, float const* __restrict x, std::int8_t* __restrict q) {
    for (std::size_t i = 0; i < n; ++i) q[i] = static_cast<std::int8_t>(nearest(x[i] * inverse));
  }
  [[gnu::noinline]] static void round_and_owe(std::size_t n, float inverse, float scale, float* __restrict e,
                                              std::int8_t* __restrict q) {
    for (std::size_t i = 0; i < n; ++i) {
      std::int32_t const k = nearest(e[i] * inverse);
      q[i] = static_cast<std::int8_t>(k);
      e[i] -= static_cast<float>(k) * scale;
    }
  }
  [[gnu::noinline]] static void widen_row(std::size_t n, float scale, std::int8_t const* __restrict q, float* __restrict y) {
    for (std::size_t i = 0; i < n; ++i) y[i] = static_cast<float>(q[i]) * scale;
  }
};

}  // namespace foal::device::host_ops
