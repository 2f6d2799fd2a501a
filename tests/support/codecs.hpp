// Codecs of a user, one of each form, for tests: what they lose is known exactly.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <foal/policy/codec/concept.hpp>

namespace foal::test {

/// Elementwise: multiples of 1 / 64 that fit two bytes.
struct fixed_point {
  static constexpr char const* name = "fixed point";
  using code_type = std::int16_t;
  template <class S>
  FOAL_HOST_DEVICE code_type encode(S x) const {
    return static_cast<code_type>(x * S(64) + (x < 0 ? S(-0.5) : S(0.5)));
  }
  template <class S>
  FOAL_HOST_DEVICE void decode(code_type code, S& x) const {
    x = static_cast<S>(code) / S(64);
  }
};

/// Of rows: the first value of a row, then a byte for each value: its distance to the first in steps of a given size.
template <class S>
struct steps {
  static constexpr char const* name = "steps";
  static constexpr int least_row = 2;
  S step = S(0.125);

  static constexpr std::size_t bytes(std::size_t row) { return sizeof(S) + row; }
  void encode(codec::rows of, S const* x, std::byte* code) const {
    for (std::size_t r = 0; r < of.count; ++r, x += of.size, code += bytes(of.size)) {
      std::memcpy(code, x, sizeof(S));
      for (std::size_t i = 0; i < of.size; ++i)
        code[sizeof(S) + i] = static_cast<std::byte>(
            static_cast<std::int8_t>(std::clamp(std::nearbyint((x[i] - x[0]) / step), S(-127), S(127))));
    }
  }
  void decode(codec::rows of, std::byte const* code, S* x) const {
    for (std::size_t r = 0; r < of.count; ++r, x += of.size, code += bytes(of.size)) {
      S first = 0;
      std::memcpy(&first, code, sizeof(S));
      for (std::size_t i = 0; i < of.size; ++i)
        x[i] = first + step * static_cast<S>(static_cast<std::int8_t>(code[sizeof(S) + i]));
    }
  }
};

/// Of rows: the upper halves of floats.
struct upper_halves {
  static constexpr char const* name = "upper halves";
  static constexpr std::size_t bytes(std::size_t row) { return 2 * row; }
  static void encode(codec::rows of, float const* x, std::byte* code) {
    for (std::size_t i = 0; i < of.elements(); ++i) {
      auto const bits = std::bit_cast<std::uint32_t>(x[i]);
      code[2 * i] = static_cast<std::byte>(bits >> 16U & 0xFFU);
      code[2 * i + 1] = static_cast<std::byte>(bits >> 24U);
    }
  }
  static void decode(codec::rows of, std::byte const* code, float* x) {
    for (std::size_t i = 0; i < of.elements(); ++i)
      x[i] = std::bit_cast<float>(std::to_integer<std::uint32_t>(code[2 * i]) << 16U |
                                  std::to_integer<std::uint32_t>(code[2 * i + 1]) << 24U);
  }
};

/// What comes back of rows of `row` values.
template <class Codec, class Values>
Values back_from(Codec const& codec, std::size_t row, Values x) {
  if constexpr (requires { typename Codec::code_type; }) {
    for (auto& v : x) codec.decode(codec.encode(v), v);
  } else {
    codec::rows const of{x.size() / row, row};
    std::byte code[4096];
    codec.encode(of, x.data(), code);
    codec.decode(of, code, x.data());
  }
  return x;
}

}  // namespace foal::test
