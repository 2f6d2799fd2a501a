// What generators that change another generator's program share: its name with a suffix, its needs, and its ops.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include <foal/schedule/generate.hpp>

namespace foal::schedule::detail {

/// The characters of name<Base> + suffix, ended by a zero.
template <class Base, std::size_t Size>
constexpr auto suffixed(char const (&suffix)[Size]) {
  constexpr std::string_view base = Base::name;
  std::array<char, base.size() + Size> text{};
  std::copy(suffix, suffix + Size, std::copy(base.begin(), base.end(), text.begin()));
  return text;
}

/// Base puts all stages on one rank.
template <class Base>
constexpr bool on_one_rank = requires { requires Base::one_rank; };

/// Emits the ops of a program that is built.
template <class Sink>
constexpr void emit_all(program p, Sink& sink) {
  program_view const v = p.view();
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : v.rank(r)) sink(r, o);
  }
}

}  // namespace foal::schedule::detail
