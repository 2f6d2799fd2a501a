// Text made safe for JSON, XML and HTML. Bytes that are not UTF-8 become U+FFFD, so every output is valid whatever came in.
#pragma once

#include <foal/core/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace foal::report {

inline constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD in UTF-8

/// The length (1 to 4) of the UTF-8 sequence that `text` starts with; 0 if it starts with none (RFC 3629: no overlong forms,
/// no surrogates, nothing above U+10FFFF).
constexpr std::size_t utf8_sequence(std::string_view text) {
  if (text.empty()) return 0;
  auto const byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  auto const follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  unsigned const first = byte(0), second = byte(1);
  if (first < 0x80U) return 1;
  if (first < 0xC2U) return 0;
  if (first < 0xE0U) return follows(1) ? 2 : 0;
  if (first < 0xF0U) {
    bool const allowed = !(first == 0xE0U && second < 0xA0U) && !(first == 0xEDU && second > 0x9FU);
    return allowed && follows(1) && follows(2) ? 3 : 0;
  }
  bool const allowed = first <= 0xF4U && !(first == 0xF0U && second < 0x90U) && !(first == 0xF4U && second > 0x8FU);
  return allowed && follows(1) && follows(2) && follows(3) ? 4 : 0;
}

/// Calls f(piece) for every character of `text`; bytes that are not UTF-8 arrive as U+FFFD, one each.
template <class Function>
constexpr void for_each_character(std::string_view text, Function f) {
  while (!text.empty()) {
    std::size_t const n = utf8_sequence(text);
    f(n == 0 ? replacement : text.substr(0, n));
    text.remove_prefix(n == 0 ? 1 : n);
  }
}

/// The number of characters, which is the number of columns on a terminal for the scripts that foal prints.
constexpr std::size_t columns_of(std::string_view text) {
  std::size_t count = 0;
  for_each_character(text, [&](std::string_view) { ++count; });
  return count;
}

/// The first `columns` characters.
inline std::string first_columns(std::string_view text, std::size_t columns) {
  std::string out;
  for_each_character(text, [&](std::string_view piece) {
    if (columns > 0) out += piece, --columns;
  });
  return out;
}

/// Appends `text` to `out` as the inside of a JSON string (RFC 8259), without the quotes.
inline void append_json_escaped(std::string& out, std::string_view text) {
  for_each_character(text, [&](std::string_view piece) {
    auto const c = static_cast<unsigned char>(piece[0]);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += piece;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c < 0x20U) {
      constexpr char const digits[] = "0123456789abcdef";
      out += "\\u00";
      out += digits[c >> 4U];
      out += digits[c & 15U];
    } else {
      out += piece;
    }
  });
}

/// `text` for the inside of an XML or HTML element or of a quoted attribute. Control characters, which XML has not, become
/// U+FFFD.
inline std::string xml_escaped(std::string_view text) {
  std::string out;
  for_each_character(text, [&](std::string_view piece) {
    auto const c = static_cast<unsigned char>(piece[0]);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if ((c < 0x20U && c != '\n' && c != '\t') || c == 0x7FU) {
      out += replacement;
    } else {
      out += piece;
    }
  });
  return out;
}

}  // namespace foal::report
