// A small streaming JSON writer: objects, arrays, escaped strings, numbers that read back exactly.
#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/escape.hpp>
#include <foal/report/number.hpp>

namespace foal::report {

namespace detail {

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

}  // namespace detail

/// Appends one JSON document to a string, as its functions are called. The owner of the string may write its content out and
/// clear it between any two calls, so a document need not fit in memory. NaN and infinity, which JSON has not, become null.
/// A call that would not be JSON (a value without a key in an object, an end that does not match) throws foal::error.
class json_writer {
 public:
  /// `lines`: elements of that many outermost levels get a line of their own, indented; 0 writes all in one line.
  explicit json_writer(std::string& out, int lines = 0) : out_(out), lines_(static_cast<std::size_t>(lines)) {}

  json_writer& begin_object() { return open('{', '}'); }
  json_writer& end_object() { return close('}'); }
  json_writer& begin_array() { return open('[', ']'); }
  json_writer& end_array() { return close(']'); }

  json_writer& key(std::string_view name) {
    require(!open_.empty() && open_.back().end == '}' && !has_key_, "cannot write the JSON key \"", name,
            "\", because no object is open or a key is waiting for its value; begin an object, or write the value first");
    element();
    quoted(name);
    out_ += open_.size() <= lines_ ? ": " : ":";
    has_key_ = true;
    return *this;
  }

  /// T: bool, nullptr_t, any integer or floating-point type, anything that converts to string_view, or optional of these
  /// (empty: null).
  template <class T>
  json_writer& value(T const& v) {
    if constexpr (detail::is_optional<T>::value) {
      return v ? value(*v) : value(nullptr);
    } else {
      begin_value();
      if constexpr (std::is_same_v<T, bool>) {
        out_ += v ? "true" : "false";
      } else if constexpr (std::is_same_v<T, std::nullptr_t>) {
        out_ += "null";
      } else if constexpr (std::is_floating_point_v<T>) {
        out_ += std::isfinite(v) ? shortest(v) : "null";
      } else if constexpr (std::is_integral_v<T>) {
        out_ += shortest(v);
      } else {
        quoted(v);
      }
      return *this;
    }
  }

  /// A value that is JSON already: exactly one of it.
  json_writer& raw(std::string_view json) {
    begin_value();
    out_ += json;
    return *this;
  }

  template <class T>
  json_writer& member(std::string_view name, T const& v) {
    return key(name).value(v);
  }

  /// True once the one outermost value is complete.
  bool complete() const { return open_.empty() && !empty_; }

 private:
  struct level {
    char end;
    bool empty;
  };

  void quoted(std::string_view text) {
    out_ += '"';
    append_json_escaped(out_, text);
    out_ += '"';
  }

  void new_line() {
    out_ += '\n';
    out_.append(2 * open_.size(), ' ');
  }

  void element() {
    if (!open_.back().empty) out_ += ',';
    if (open_.size() <= lines_) new_line();
    open_.back().empty = false;
  }

  void begin_value() {
    if (open_.empty()) {
      require(empty_, "cannot write a second JSON value, because the document is complete; open an array first");
    } else if (open_.back().end == '}') {
      require(has_key_, "cannot write a JSON value into an object, because it has no key; call key or member");
      has_key_ = false;
    } else {
      element();
    }
    empty_ = false;
  }

  json_writer& open(char begin, char end) {
    begin_value();
    out_ += begin;
    open_.push_back({end, true});
    return *this;
  }

  json_writer& close(char end) {
    require(!open_.empty() && open_.back().end == end && !has_key_, "cannot close JSON with '", end,
            "', because that is not what is open or a key has no value; match begin_ and end_ calls");
    level const last = open_.back();
    open_.pop_back();
    if (!last.empty && open_.size() < lines_) new_line();
    out_ += end;
    return *this;
  }

  std::string& out_;
  std::size_t lines_;
  std::vector<level> open_;
  bool has_key_ = false, empty_ = true;
};

}  // namespace foal::report
