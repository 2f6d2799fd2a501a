// Text as single characters or single bytes: the tokens of small language models.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/utf8.hpp>
#include <foal/text/vocabulary.hpp>
#include <foal/text/words.hpp>

namespace foal::text {

/// Every character (code point of UTF-8) is a token. Const members may be called from several threads.
class alphabet {
 public:
  explicit alphabet(text::vocabulary characters) : characters_(std::move(characters)) {}

  /// The alphabet of a text: its characters, the most frequent first.
  static alphabet of(std::string_view text) {
    word_counts counts;
    for (std::string_view const c : characters(text)) count_word(c, counts);
    return alphabet(text::vocabulary::from_counts(counts));
  }

  text::vocabulary const& vocabulary() const { return characters_; }

  /// One number a character; unk for one that the alphabet does not have.
  std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> result;
    for (std::string_view const c : characters(text)) result.push_back(characters_.id(c));
    return result;
  }

  /// The text of these numbers; reserved numbers are left out but for unk, which is U+FFFD. Throws foal::error at a number
  /// that the vocabulary does not have.
  std::string decode(std::span<std::int32_t const> ids) const {
    std::string result;
    for (std::int32_t const id : ids) {
      std::string const& character = characters_.token(id);
      if (id == unk) result += "\xEF\xBF\xBD";
      if (id >= first_token) result += character;
    }
    return result;
  }

 private:
  text::vocabulary characters_;
};

/// Every byte is a token: byte b has the number first_token + b.
struct byte_alphabet {
  static constexpr int size() { return first_token + 256; }

  static std::vector<std::int32_t> encode(std::string_view text) {
    std::vector<std::int32_t> result;
    for (char const c : text) result.push_back(first_token + static_cast<std::int32_t>(static_cast<unsigned char>(c)));
    return result;
  }

  /// The bytes of these numbers; reserved numbers are left out. Throws foal::error at a number from 260 on or below 0.
  static std::string decode(std::span<std::int32_t const> ids) {
    std::string result;
    for (std::int32_t const id : ids) {
      require(id >= 0 && id < size(), "cannot name a byte, because its number is ", id, " and there are ", size(),
              "; give a number from 0 to ", size() - 1);
      if (id >= first_token) result += static_cast<char>(static_cast<unsigned char>(id - first_token));
    }
    return result;
  }
};

}  // namespace foal::text
