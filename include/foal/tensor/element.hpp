// What the elements of an array are: types with a size and a name.
#pragma once

#include <foal/core/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace foal {

/// The type of an array's elements. scalar: what a layer computes in, whatever that is in a run; layers declare it, and no
/// array of a run's tables or plan has it. bytes: of no one type, as the code of a codec, or what several arrays share. The
/// lower four bits of a value are the size: ops ask for it again and again.
enum class element : std::uint8_t {
  scalar = 0x00,
  float32 = 0x14,
  float64 = 0x28,
  float16 = 0x32,
  bfloat16 = 0x42,
  int8 = 0x51,
  uint8 = 0x61,
  int32 = 0x74,
  int64 = 0x88,
  bytes = 0x91
};
inline constexpr element every_element[] = {element::scalar,   element::float32, element::float64, element::float16,
                                            element::bfloat16, element::int8,    element::uint8,   element::int32,
                                            element::int64,    element::bytes};

/// Bytes of one; of `scalar`, which is no type yet, 0.
constexpr std::size_t bytes_of(element e) { return static_cast<std::size_t>(e) & 0xFU; }

/// Bytes of n of them.
constexpr std::size_t bytes_of(element e, long long n) { return static_cast<std::size_t>(n) * bytes_of(e); }

constexpr char const* name(element e) {
  constexpr char const* names[] = {"scalar", "float32", "float64", "float16", "bfloat16",
                                   "int8",   "uint8",   "int32",   "int64",   "bytes"};
  return names[static_cast<std::size_t>(e) >> 4U];
}

/// The element that a type is; of a type that has no name here, bytes.
template <class T>
constexpr element element_of() {
  if constexpr (std::same_as<T, float>) return element::float32;
  if constexpr (std::same_as<T, double>) return element::float64;
  if constexpr (std::same_as<T, std::int8_t>) return element::int8;
  if constexpr (std::same_as<T, std::uint8_t>) return element::uint8;
  if constexpr (std::same_as<T, std::int32_t>) return element::int32;
  if constexpr (std::same_as<T, std::int64_t>) return element::int64;
  return element::bytes;
}

}  // namespace foal
