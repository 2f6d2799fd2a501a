// Rows of floats as 8-bit integers with a scale each.
#pragma once

#include <cstdint>
#include <cstring>

#include <foal/policy/codec/concept.hpp>

namespace foal::codec {

namespace detail {

/// In memory that the host may use; the scale of each row is the host's.
template <class D, class S>
concept quantises_at_once = requires(D& d, std::size_t n, S const* x, S* e, float* scale, std::int8_t* q) {
  d.quantise(n, n, x, e, scale, q);
  d.dequantise(n, n, scale, q, e);
};
/// In the layout of the codec, all rows by one op.
template <class D, class S>
concept quantises_codes = requires(D& d, std::size_t n, S const* x, S* e, std::byte* code) {
  d.quantise_rows(n, n, x, e, code);
  d.dequantise_rows(n, n, code, e);
};
template <class D, class S>
concept quantises = quantises_at_once<D, S> || quantises_codes<D, S>;

}  // namespace detail

/// A row is its scale, a float, and an 8-bit integer for each value: scale = max |x| / 127 over the row, rounding to nearest
/// even, so each value comes back with an error of at most scale / 2 (and 2^-16 scale for the roundings of float). Zeros
/// stay zeros; a row with a value that is not finite comes back as NaN. For floats on a device that quantises
/// (foal::device::host and cuda), with errors to feed back.
struct int8 {
  static constexpr char const* name = "int8";
  static constexpr int least_row = 4;

  static constexpr std::size_t bytes(std::size_t row) { return sizeof(float) + row; }

  template <class D, class S>
    requires detail::quantises<D, S>
  static void encode(D& device, rows of, S const* x, S* error, std::byte* code) {
    if constexpr (detail::quantises_codes<D, S>) {
      device.quantise_rows(of.count, of.size, x, error, code);
    } else {
      for (std::size_t r = 0; r < of.count; ++r, x += of.size, code += bytes(of.size)) {
        float scale = 0;
        device.quantise(1, of.size, x, error, &scale, reinterpret_cast<std::int8_t*>(code + sizeof scale));
        std::memcpy(code, &scale, sizeof scale);
        if (error != nullptr) error += of.size;
      }
    }
  }
  template <class D, class S>
    requires detail::quantises<D, S>
  static void decode(D& device, rows of, std::byte const* code, S* x) {
    if constexpr (detail::quantises_codes<D, S>) {
      device.dequantise_rows(of.count, of.size, code, x);
    } else {
      for (std::size_t r = 0; r < of.count; ++r, x += of.size, code += bytes(of.size)) {
        float scale = 0;
        std::memcpy(&scale, code, sizeof scale);
        device.dequantise(1, of.size, &scale, reinterpret_cast<std::int8_t const*>(code + sizeof scale), x);
      }
    }
  }
};

}  // namespace foal::codec
