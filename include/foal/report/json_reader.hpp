// Reads JSON from front to back: a file's header, a row of JSON lines.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <foal/core/error.hpp>

namespace foal::report {

/// Reads a text from front to back; every fault gives a sentence with the place where it is. The text must outlive it.
class json_reader {
 public:
  /// part: of the file, what the text is. advice: where it is none of JSON.
  json_reader(std::string file, std::string_view text, std::string part = "header",
              std::string advice = "fetch the file again")
      : file_(std::move(file)), part_(std::move(part)), advice_(std::move(advice)), text_(text) {}

  /// An object: calls member(key) for each; it must read the value. Keys come as they are, twice the same ones too.
  template <class Member>
  void object(Member member) {
    expect('{');
    if (taken('}')) return;
    do {
      std::string const key = string();
      expect(':');
      member(key);
    } while (taken(','));
    expect('}');
  }

  /// An array: calls element() for each; it must read it.
  template <class Element>
  void array(Element element) {
    expect('[');
    if (taken(']')) return;
    do element();
    while (taken(','));
    expect(']');
  }

  /// A whole number from 0 up, without sign, fraction or exponent.
  std::uint64_t number() {
    skip();
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    std::size_t const start = at_;
    std::uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      auto const digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (most - digit) / 10) refuse("a number that fits 64 bits");
      value = 10 * value + digit;
    }
    if (at_ == start || (text_[start] == '0' && at_ != start + 1)) refuse("a whole number");
    return value;
  }

  /// Any number that a double holds.
  double real() {
    skip();
    std::size_t const start = at_;
    auto const digits = [this] {
      std::size_t const first = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      return at_ - first;
    };
    auto const taken_one_of = [this](std::string_view some) {
      bool const found = at_ < text_.size() && some.find(text_[at_]) != std::string_view::npos;
      if (found) ++at_;
      return found;
    };
    taken_one_of("-");
    std::size_t const first = at_, whole = digits();
    bool good = whole > 0 && (whole == 1 || text_[first] != '0');
    if (good && taken_one_of(".")) good = digits() > 0;
    if (good && taken_one_of("eE")) {
      taken_one_of("+-");
      good = digits() > 0;
    }
    double value = 0;
    if (!good || std::from_chars(text_.data() + start, text_.data() + at_, value).ec != std::errc{}) refuse("a number");
    return value;
  }

  /// Takes a null, or nothing: then it is false.
  bool null() { return word("null"); }

  /// Any value, which is checked and left out.
  void pass_over() {
    if (++depth_ > most_depth) refuse("an end of values within values, of which this reader takes 64,");
    skip();
    char const c = at_ < text_.size() ? text_[at_] : '\0';
    if (c == '{')
      object([this](std::string const&) { pass_over(); });
    else if (c == '[')
      array([this] { pass_over(); });
    else if (c == '"')
      string();
    else if (!word("null") && !word("true") && !word("false"))
      real();
    --depth_;
  }

  std::string string() {
    expect('"');
    std::size_t close = at_;
    while (close < text_.size() && text_[close] != '"') close += text_[close] == '\\' ? 2U : 1U;
    std::string value;
    value.reserve(std::min(close, text_.size()) - at_);
    for (;;) {
      if (at_ == text_.size()) refuse("the end of a string");
      char const c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) refuse("a character of a string");
      ++at_;
      if (c == '"') return value;
      if (c == '\\')
        escape(value);
      else
        value += c;
    }
  }

  /// Nothing but blanks may follow.
  void end() {
    skip();
    if (at_ != text_.size()) refuse("the end of the " + part_);
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool word(std::string_view w) {
    skip();
    if (!text_.substr(at_).starts_with(w)) return false;
    at_ += w.size();
    return true;
  }
  bool taken(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!taken(c)) refuse(std::string("'") + c + "'");
  }
  [[noreturn]] void refuse(std::string const& expected) const {
    std::string found = "its end";
    if (at_ < text_.size()) {
      auto const c = static_cast<unsigned char>(text_[at_]);
      found = c > 0x20 && c < 0x7f ? std::string("'") + text_[at_] + "'" : "byte " + std::to_string(c);
    }
    throw error(sentence("cannot read ", file_, ", because byte ", at_, " of its ", part_, " is ", found, " where ",
                         expected, " is expected; ", advice_));
  }

  std::uint32_t hex() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      char const c = at_ < text_.size() ? text_[at_] : '?';
      std::uint32_t digit = 0;
      if (c >= '0' && c <= '9')
        digit = static_cast<std::uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        digit = static_cast<std::uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        digit = static_cast<std::uint32_t>(c - 'A' + 10);
      else
        refuse("four hexadecimal digits");
      value = value << 4U | digit;
      ++at_;
    }
    return value;
  }

  void escape(std::string& to) {
    constexpr std::string_view written = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    char const c = at_ < text_.size() ? text_[at_] : '?';
    if (std::size_t const i = written.find(c); i != std::string_view::npos) {
      ++at_;
      to += meant[i];
      return;
    }
    if (c != 'u') refuse("an escaped character");
    ++at_;
    std::uint32_t code = hex();
    if (code >= 0xd800 && code < 0xdc00) {  // the first half of a pair
      if (text_.substr(at_, 2) != "\\u") refuse("the second half of a pair of UTF-16");
      at_ += 2;
      std::uint32_t const low = hex();
      if (low < 0xdc00 || low > 0xdfff) refuse("the second half of a pair of UTF-16");
      code = 0x10000 + ((code - 0xd800) << 10U) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      refuse("the first half of a pair of UTF-16");
    }
    auto const put = [&to](std::uint32_t byte) { to += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0U | code >> 6U);
      put(0x80U | (code & 0x3fU));
    } else if (code < 0x10000) {
      put(0xe0U | code >> 12U);
      put(0x80U | (code >> 6U & 0x3fU));
      put(0x80U | (code & 0x3fU));
    } else {
      put(0xf0U | code >> 18U);
      put(0x80U | (code >> 12U & 0x3fU));
      put(0x80U | (code >> 6U & 0x3fU));
      put(0x80U | (code & 0x3fU));
    }
  }

  static constexpr int most_depth = 64;

  std::string file_, part_, advice_;
  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace foal::report
