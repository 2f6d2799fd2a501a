// One end of a wire as transports between processes see it, with slots that can be written and looked at.
#pragma once

#include <foal/transport/open_end.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace foal::test {

/// A wire with an entry of one byte in two slots and one of three bytes in three, and the counters of its ends.
struct wire_side {
  transport::channel counts;
  transport::bell mine;
  std::array<std::byte, 2> small{};
  std::array<std::byte, 9> large{};

  transport::open_end end(bool sends, long long total, int number = 7) {
    return {.id = {3, 0, transport::channel_kind::activation},
            .number = number,
            .sends = sends,
            .out = {&counts, &mine, true, true},
            .in = {&counts, &mine, 2, 3},
            .entries = {{small.data(), 1, 1, 2}, {large.data(), 3, 3, 3}},
            .order = {{0, 1}, 2, total}};
  }
  void write(std::uint32_t m) {
    small[m % 2] = static_cast<std::byte>(m);
    for (std::uint32_t i = 0; i < 3; ++i) large[m % 3 * 3 + i] = static_cast<std::byte>(10 * m + i);
  }
  /// What write(m) wrote is in the slots of m.
  bool holds(std::uint32_t m) const {
    bool all = small[m % 2] == static_cast<std::byte>(m);
    for (std::uint32_t i = 0; i < 3; ++i) all = all && large[m % 3 * 3 + i] == static_cast<std::byte>(10 * m + i);
    return all;
  }
};

}  // namespace foal::test
