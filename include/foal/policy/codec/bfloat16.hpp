// Floats in their upper halves.
#pragma once

#include <cstdint>

#include <foal/policy/codec/concept.hpp>

namespace foal::codec {

/// Rounded to nearest even: a relative error of at most 2^-8 in each value. Infinities and NaN stay what they are. For
/// floats on a device that narrows and widens (foal::device::host).
struct bfloat16 {
  static constexpr char const* name = "bfloat16";
  static constexpr element stored = element::bfloat16;

  static constexpr std::size_t bytes(std::size_t row) { return row * bytes_of(stored); }

  template <class D, class S>
    requires requires(D& d, std::size_t n, S const* x, std::uint16_t* y) { d.narrow(n, x, y); }
  static void encode(D& device, rows of, S const* x, std::byte* code) {
    device.narrow(of.elements(), x, reinterpret_cast<std::uint16_t*>(code));
  }
  template <class D, class S>
    requires requires(D& d, std::size_t n, std::uint16_t const* x, S* y) { d.widen(n, x, y); }
  static void decode(D& device, rows of, std::byte const* code, S* x) {
    device.widen(of.elements(), reinterpret_cast<std::uint16_t const*>(code), x);
  }
};

}  // namespace foal::codec
