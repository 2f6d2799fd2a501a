// Bytes as characters: what is UTF-8, what controls a terminal, and how both are shown where they do not belong.
#pragma once

#include <foal/core/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace foal {

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

/// True for one character that is a control: U+0000 to U+001F (line feed and tab too), U+007F to U+009F.
constexpr bool is_control(std::string_view character) {
  if (character.empty()) return false;
  auto const first = static_cast<unsigned char>(character[0]);
  if (character.size() == 2) return first == 0xC2U && static_cast<unsigned char>(character[1]) < 0xA0U;
  return first < 0x20U || first == 0x7FU;
}

/// Appends `text` as a terminal may be given it, in one line: a control character and every byte that is not UTF-8 as \x1b,
/// line feed, carriage return and tab as \n, \r and \t. What has none of them stays as it is.
inline void append_printable(std::string& out, std::string_view text) {
  constexpr char const digits[] = "0123456789abcdef";
  while (!text.empty()) {
    std::size_t const n = utf8_sequence(text), length = n == 0 ? 1 : n;
    std::string_view const piece = text.substr(0, length);
    text.remove_prefix(length);
    if (n != 0 && !is_control(piece)) {
      out += piece;
    } else if (piece == "\n") {
      out += "\\n";
    } else if (piece == "\r") {
      out += "\\r";
    } else if (piece == "\t") {
      out += "\\t";
    } else {
      for (char const c : piece) {
        auto const byte = static_cast<unsigned char>(c);
        ((out += "\\x") += digits[byte >> 4U]) += digits[byte & 15U];
      }
    }
  }
}

inline std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

}  // namespace foal
