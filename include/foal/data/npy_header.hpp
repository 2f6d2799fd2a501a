// The header of a .npy file: a Python dictionary literal with three known fields.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <foal/core/error.hpp>

namespace foal::data::detail {

/// Longest header that is read: foal's arrays have 32 extents at most, which is 700 bytes.
inline constexpr std::size_t most_npy_header = 65'536, most_npy_extents = 32;

/// Reads the Python dictionary that describes an array, e.g. {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), };
/// anything else throws foal::error. path: for the sentence; it must outlive the header.
class npy_header {
 public:
  npy_header(std::string const& path, std::string_view text) : path_(path), text_(text) {
    expect('{');
    for (skip(); peek() != '}'; skip()) {
      std::string const key = quoted();
      expect(':');
      std::string& value = key == "descr"           ? descr
                           : key == "fortran_order" ? order
                           : key == "shape"         ? shape_text_
                                                    : unknown(key);
      if (!value.empty()) refuse("has the field '", key, "' twice");
      value = key == "descr" ? quoted() : key == "shape" ? tuple() : word();
      skip();
      if (peek() != '}') expect(',');
    }
    expect('}');
    skip();
    if (at_ != text_.size()) refuse("goes on after its closing brace");
    if (descr.empty() || order.empty() || shape_text_.empty())
      refuse("lacks one of the fields 'descr', 'fortran_order' and 'shape'");
  }

  std::string descr, order;
  std::vector<long long> extent;

 private:
  template <class... Parts>
  [[noreturn]] void refuse(Parts const&... found) const {
    throw error(
        sentence("cannot read ", path_, ", because its header ", found..., " where a .npy file has a dictionary like ",
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }; write the file again with numpy.save"));
  }
  std::string& unknown(std::string const& key) const { refuse("has the field '", key, "'"); }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip() {
    while (peek() == ' ' || peek() == '\n') ++at_;
  }
  void expect(char wanted) {
    skip();
    if (peek() != wanted) refuse("lacks '", wanted, "' at byte ", at_, " of its text");
    ++at_;
  }
  std::string quoted() {
    skip();
    char const quote = peek();
    if (quote != '\'' && quote != '"') refuse("lacks a quoted name at byte ", at_, " of its text");
    std::size_t const end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos || end == at_ + 1)
      refuse("has an empty or unfinished name at byte ", at_, " of its text");
    std::string const result(text_.substr(at_ + 1, end - at_ - 1));
    for (char const c : result)
      if (c < ' ' || c > '~') refuse("has an unprintable name at byte ", at_, " of its text");
    at_ = end + 1;
    return result;
  }
  std::string word() {
    skip();
    std::string result;
    for (; (peek() >= 'a' && peek() <= 'z') || (peek() >= 'A' && peek() <= 'Z'); ++at_) result += peek();
    if (result.empty()) refuse("lacks True or False at byte ", at_, " of its text");
    return result;
  }
  std::string tuple() {
    std::size_t const start = at_;
    expect('(');
    for (skip(); peek() != ')'; skip()) {
      long long value = 0;
      if (peek() < '0' || peek() > '9') refuse("lacks an extent at byte ", at_, " of its text");
      for (; peek() >= '0' && peek() <= '9'; ++at_) {
        int const digit = peek() - '0';
        if (value > (std::numeric_limits<long long>::max() - digit) / 10) refuse("has an extent above 2^63");
        value = 10 * value + digit;
      }
      if (extent.size() == most_npy_extents) refuse("has more than ", most_npy_extents, " extents");
      extent.push_back(value);
      skip();
      if (peek() != ')') expect(',');
    }
    expect(')');
    return std::string(text_.substr(start, at_ - start));
  }

  std::string const& path_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::string shape_text_;
};

}  // namespace foal::data::detail
