// Text made safe for JSON, XML and HTML. Bytes that are not UTF-8 become U+FFFD, so every output is valid whatever came in.
#pragma once

#include <foal/core/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include <foal/core/utf8.hpp>

namespace foal::report {

inline constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD in UTF-8

using foal::utf8_sequence;

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

/// True for one character that XML or HTML may hold: no control but line feed and tab, no noncharacter (U+FDD0 to U+FDEF and
/// the last two of each plane).
constexpr bool belongs_in_markup(std::string_view character) {
  if (character.size() < 3) return character == "\n" || character == "\t" || !is_control(character);
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 3) {
    if (byte(0) != 0xEFU) return true;
    return !(byte(1) == 0xB7U && byte(2) >= 0x90U && byte(2) <= 0xAFU) && !(byte(1) == 0xBFU && byte(2) >= 0xBEU);
  }
  return !((byte(1) & 0x0FU) == 0x0FU && byte(2) == 0xBFU && byte(3) >= 0xBEU);
}

/// Markup whose characters are all well-formed: what does not belong there becomes U+FFFD, tags and entities stay.
inline std::string well_formed_markup(std::string_view markup) {
  std::string out;
  out.reserve(markup.size());
  for_each_character(markup, [&](std::string_view piece) { out += belongs_in_markup(piece) ? piece : replacement; });
  return out;
}

/// `text` for the inside of an XML or HTML element or of a quoted attribute, whatever bytes it has.
inline std::string xml_escaped(std::string_view text) {
  std::string out;
  for_each_character(text, [&](std::string_view piece) {
    if (piece == "&") {
      out += "&amp;";
    } else if (piece == "<") {
      out += "&lt;";
    } else if (piece == ">") {
      out += "&gt;";
    } else if (piece == "\"") {
      out += "&quot;";
    } else if (piece == "'") {
      out += "&#39;";
    } else {
      out += belongs_in_markup(piece) ? piece : replacement;
    }
  });
  return out;
}

}  // namespace foal::report
