// Tokens in text files: one word without whitespace, whatever the token holds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <foal/core/error.hpp>

namespace foal::text {

/// `token` with a space as \_, tabulator, line feed and carriage return as \t \n \r, and a backslash as \\.
inline std::string escaped(std::string_view token) {
  std::string result;
  for (char const c : token) {
    char const after = c == ' ' ? '_' : c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\\' ? '\\' : '\0';
    if (after != '\0') result += '\\';
    result += after != '\0' ? after : c;
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
    char const after = ++i < text.size() ? text[i] : '\0';
    char const c = after == '_' ? ' ' : after == 't' ? '\t' : after == 'n' ? '\n' : after == 'r' ? '\r' : after;
    require(c == '\\' || (c != after && after != '\0'), "cannot read ", where, ", because '", text,
            "' has a backslash before neither _ t n r nor a backslash; write a backslash itself as two");
    result += c;
  }
  return result;
}

}  // namespace foal::text
