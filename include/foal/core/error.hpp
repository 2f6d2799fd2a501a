// Run-time errors as sentences: "cannot X, because Y; do Z".
#pragma once

#include <foal/core/config.hpp>

#include <charconv>
#include <concepts>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

#include <foal/core/utf8.hpp>

namespace foal {

/// What foal throws. what() is one sentence that names both values and the remedy.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

/// A part of a sentence: text, or a number as an output stream prints it (six significant digits). Refers to the text.
class sentence_part {
 public:
  // Few types and no streams: each call of sentence() and require() has a combination of literals of its own, and what it
  // costs the compiler is multiplied by all of them.
  sentence_part(std::string_view text) : kind_(kind::text), text_(text) {}
  sentence_part(char const* text) : sentence_part(std::string_view(text)) {}
  sentence_part(std::string const& text) : sentence_part(std::string_view(text)) {}
  sentence_part(char c) : kind_(kind::character), character_(c) {}
  sentence_part(std::floating_point auto v) : kind_(kind::real), real_(static_cast<double>(v)) {}
  sentence_part(std::signed_integral auto v) : kind_(kind::whole), whole_(v) {}
  sentence_part(std::unsigned_integral auto v) : kind_(kind::natural), natural_(v) {}

  void append_to(std::string& sentence) const {
    char digits[32];
    char* end = digits;
    switch (kind_) {
      case kind::text:
        append_printable(sentence, text_);
        return;
      case kind::character:
        append_printable(sentence, {&character_, 1});
        return;
      case kind::real:
        end = std::to_chars(digits, digits + sizeof digits, real_, std::chars_format::general, 6).ptr;
        break;
      case kind::whole:
        end = std::to_chars(digits, digits + sizeof digits, whole_).ptr;
        break;
      case kind::natural:
        end = std::to_chars(digits, digits + sizeof digits, natural_).ptr;
        break;
    }
    sentence.append(digits, end);
  }

 private:
  enum class kind : char { text, character, real, whole, natural } kind_;
  union {
    std::string_view text_;
    char character_;
    double real_;
    long long whole_;
    unsigned long long natural_;
  };
};

inline std::string join(std::initializer_list<sentence_part> parts) {
  std::string sentence;
  for (sentence_part const& p : parts) p.append_to(sentence);
  return sentence;
}

}  // namespace detail

/// Joins its arguments, texts and numbers, into one line: what came out of a file and would control a terminal is shown as
/// append_printable() writes it.
template <class... Parts>
std::string sentence(Parts const&... parts) {
  return detail::join({parts...});
}

/// Throws foal::error with the joined parts unless `holds`.
template <class... Parts>
void require(bool holds, Parts const&... parts) {
  if (!holds) throw error(detail::join({parts...}));
}

/// For the check() of a policy, or of other values by name: throws, with both values, unless one of its numbers `holds`.
/// expected: "0 or more".
inline void require_number(bool holds, std::string_view policy, std::string_view number, detail::sentence_part value,
                           std::string_view expected) {
  require(holds, "cannot use ", policy, ", because its ", number, " is ", value, " where ", expected,
          " is expected; change it");
}

}  // namespace foal
