// The element types of safetensors files, by the format's names, and their numbers as those that foal computes with.
#pragma once

#include <foal/tensor/element.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

namespace foal::checkpoint {

/// Bits of one element of a type as the format writes it; 0: foal does not know it.
constexpr std::uint64_t bits_of(std::string_view dtype) {
  constexpr std::pair<std::string_view, std::uint64_t> known[] = {
      {"BOOL", 8},  {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},
      {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32},    {"I64", 64},    {"U64", 64}, {"F64", 64}, {"C64", 64}};
  for (auto const& [name, bits] : known)
    if (dtype == name) return bits;
  return 0;
}

/// How the format writes an element; null: it has no such type.
constexpr char const* dtype_of(element e) {
  switch (e) {
    case element::float32:
      return "F32";
    case element::float64:
      return "F64";
    case element::float16:
      return "F16";
    case element::bfloat16:
      return "BF16";
    case element::int8:
      return "I8";
    case element::uint8:
      return "U8";
    case element::int32:
      return "I32";
    case element::int64:
      return "I64";
    default:
      return nullptr;
  }
}

/// A number of IEEE 754's binary16, exactly.
constexpr float from_float16(std::uint16_t bits) {
  std::uint32_t const sign = std::uint32_t{bits & 0x8000U} << 16U, rest = bits & 0x7fffU;
  if (rest >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | (rest & 0x3ffU) << 13U);  // infinity, NaN
  if (rest >= 0x400U) return std::bit_cast<float>(sign | ((rest << 13U) + 0x38000000U));
  float const subnormal = static_cast<float>(rest) * 0x1p-24F;
  return sign != 0 ? -subnormal : subnormal;
}

/// A number of bfloat16, exactly.
constexpr float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16U); }

namespace detail {

template <class From>
From stored(std::uint8_t const* from, std::size_t i) {
  From value;
  std::memcpy(&value, from + i * sizeof(From), sizeof(From));
  return value;
}

template <class From, class S>
S as_it_is(std::uint8_t const* from, std::size_t i) {
  return static_cast<S>(stored<From>(from, i));
}

template <class S>
S as_float16(std::uint8_t const* from, std::size_t i) {
  return static_cast<S>(from_float16(stored<std::uint16_t>(from, i)));
}

template <class S>
S as_bfloat16(std::uint8_t const* from, std::size_t i) {
  return static_cast<S>(from_bfloat16(stored<std::uint16_t>(from, i)));
}

}  // namespace detail

/// Gives element i of an array's bytes.
template <class S>
using element_reader = S (*)(std::uint8_t const* from, std::size_t i);

/// What reads the elements of a type as S: floating point as floating point (F64 as float rounds to nearest, everything else
/// is exact), whole numbers as std::int64_t. nullptr where the type holds the other kind, or what foal does not convert; U64
/// is among those.
template <class S>
constexpr element_reader<S> reader_of(std::string_view dtype) {
  if constexpr (std::floating_point<S>) {
    if (dtype == "F32") return detail::as_it_is<float, S>;
    if (dtype == "F64") return detail::as_it_is<double, S>;
    if (dtype == "F16") return detail::as_float16<S>;
    if (dtype == "BF16") return detail::as_bfloat16<S>;
  } else {
    static_assert(std::same_as<S, std::int64_t>);
    if (dtype == "U8" || dtype == "BOOL") return detail::as_it_is<std::uint8_t, S>;
    if (dtype == "I8") return detail::as_it_is<std::int8_t, S>;
    if (dtype == "U16") return detail::as_it_is<std::uint16_t, S>;
    if (dtype == "I16") return detail::as_it_is<std::int16_t, S>;
    if (dtype == "U32") return detail::as_it_is<std::uint32_t, S>;
    if (dtype == "I32") return detail::as_it_is<std::int32_t, S>;
    if (dtype == "I64") return detail::as_it_is<std::int64_t, S>;
  }
  return nullptr;
}

}  // namespace foal::checkpoint
