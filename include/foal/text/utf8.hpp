// Cutting UTF-8 text into characters.
#pragma once

#include <foal/core/config.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

namespace foal::text {

/// Bytes of the first character of `text` (a code point of UTF-8); 1 where the bytes are not UTF-8, so that every byte
/// string can be cut, and 0 for an empty text.
constexpr std::size_t character_length(std::string_view text) {
  if (text.empty()) return 0;
  auto const first = static_cast<unsigned char>(text[0]);
  std::size_t length = 1;
  if (first >= 0xC2U && first < 0xE0U) length = 2;
  if (first >= 0xE0U && first < 0xF0U) length = 3;
  if (first >= 0xF0U && first < 0xF5U) length = 4;
  if (length > text.size()) return 1;
  for (std::size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) return 1;
  return length;
}

/// The characters of `text`, in order; together they are `text`. The views live as long as the text.
inline std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    std::size_t const length = character_length(text);
    result.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return result;
}

}  // namespace foal::text
