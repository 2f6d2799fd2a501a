// The colours of ops in pictures: one for each kind, from light to dark over the chunks of a rank.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <foal/schedule/op.hpp>

namespace foal::schedule {

/// A kind's colour for the first and for the last of several chunks; of one chunk it is the first. Kinds are told apart by
/// their lightness too, so that a grey print and any colour vision will do.
struct op_paint {
  op_kind kind;
  char const* first;
  char const* last;
  char const* meaning;
};
inline constexpr op_paint op_paints[] = {{op_kind::F, "#bcd8f0", "#6ea6d8", "F forward"},
                                         {op_kind::R, "#c9bfe8", "#9583c9", "R forward again"},
                                         {op_kind::B, "#f6c08a", "#e08a3c", "B backward for the input"},
                                         {op_kind::W, "#8cc795", "#3f8a4d", "W backward for the weights"},
                                         {op_kind::BW, "#d0705c", "#993322", "BW backward"},
                                         {op_kind::G, "#8a8a8a", "#5a5a5a", "G sum among replicas"},
                                         {op_kind::U, "#111111", "#111111", "U update"}};

namespace detail {

using rgb = std::array<int, 3>;

inline rgb rgb_of(std::string_view hex) {
  auto const digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  rgb c{};
  for (std::size_t i = 0; i < 3; ++i) c[i] = 16 * digit(hex[1 + 2 * i]) + digit(hex[2 + 2 * i]);
  return c;
}

/// The colour of chunk number `chunk` of `chunks`.
inline rgb shade(op_paint const& p, int chunk, int chunks) {
  rgb const a = rgb_of(p.first), b = rgb_of(p.last);
  rgb c = a;
  if (chunks > 1)
    for (std::size_t i = 0; i < 3; ++i) c[i] += (b[i] - a[i]) * chunk / (chunks - 1);
  return c;
}

inline std::string css(rgb const& c) {
  constexpr char const* digits = "0123456789abcdef";
  std::string text = "#";
  for (int const v : c) {
    text += digits[v / 16];
    text += digits[v % 16];
  }
  return text;
}

/// Black or white, whichever is read more easily on it.
inline char const* ink_on(rgb const& c) { return 299 * c[0] + 587 * c[1] + 114 * c[2] > 128'000 ? "#000" : "#fff"; }

}  // namespace detail

}  // namespace foal::schedule
