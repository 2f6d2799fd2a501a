// Tokens in text files: one word without whitespace, whatever the token holds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <foal/core/error.hpp>

namespace foal::text {

namespace detail {

// What is written behind a backslash, and the character that it stands for.
inline constexpr std::string_view escape_letters = "_tnr0\\";
inline constexpr std::string_view escaped_characters{" \t\n\r\0\\", 6};

}  // namespace detail

/// `token` with a space as \_, tabulator, line feed, carriage return and the zero byte as \t \n \r \0, and a backslash as
/// \\.
inline std::string escaped(std::string_view token) {
  std::string result;
  for (char const c : token) {
    std::size_t const kind = detail::escaped_characters.find(c);
    if (kind != std::string_view::npos) result += '\\';
    result += kind != std::string_view::npos ? detail::escape_letters[kind] : c;
  }
  return result;
}

/// The inverse of escaped(). Throws foal::error, with `where` for the place, at a backslash that escaped() does not write.
inline std::string unescaped(std::string_view text, std::string const& where) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      result += text[i];
      continue;
    }
    ++i;
    std::size_t const kind = i < text.size() ? detail::escape_letters.find(text[i]) : std::string_view::npos;
    require(kind != std::string_view::npos, "cannot read ", where, ", because '", text,
            "' has a backslash before neither _ t n r 0 nor a backslash; write a backslash itself as two");
    result += detail::escaped_characters[kind];
  }
  return result;
}

}  // namespace foal::text
