// Products of sizes that come from outside, files and users: none wraps round.
#pragma once

#include <foal/core/config.hpp>

#include <cstdint>
#include <limits>

namespace foal {

/// a * b, or the largest number where that does not fit, which is larger than whatever it is then compared with.
constexpr std::uint64_t saturating_product(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  return b != 0 && a > most / b ? most : a * b;
}

/// The product of a range of extents, each 0 or more, times `unit`; the largest number where that does not fit. One extent
/// of 0 makes it 0, whatever stands before or behind it.
template <class Extents>
constexpr std::uint64_t saturating_size(Extents const& extents, std::uint64_t unit = 1) {
  std::uint64_t size = unit;
  for (auto const e : extents)
    if (e == 0) return 0;
  for (auto const e : extents) size = saturating_product(size, static_cast<std::uint64_t>(e));
  return size;
}

}  // namespace foal
