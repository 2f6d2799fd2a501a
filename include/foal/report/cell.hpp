// One value of a row of results: null, truth, number or text.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <foal/report/json.hpp>

namespace foal::report {

class cell {
 public:
  cell() = default;
  cell(std::nullptr_t) {}
  cell(std::nullopt_t) {}
  cell(bool v) : value_(v) {}
  template <std::signed_integral T>
  cell(T v) : value_(static_cast<long long>(v)) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  cell(T v) : value_(static_cast<unsigned long long>(v)) {}
  cell(double v) : value_(v) {}
  /// 0.1f is kept as 0.1, the shortest decimal that names that float, not as 0.10000000149...
  cell(float v) : value_(nearest_short(v)) {}
  cell(std::string v) : value_(std::move(v)) {}
  cell(std::string_view v) : value_(std::string(v)) {}
  cell(char const* v) : value_(std::string(v)) {}
  template <class T>
  cell(std::optional<T> const& v) {
    if (v) *this = cell(*v);
  }

  void write(json_writer& json) const {
    std::visit([&](auto const& v) { json.value(v); }, value_);
  }

  bool is_number() const { return value_.index() >= 2 && value_.index() <= 4; }

  /// The number; NaN for anything that is none.
  double number() const {
    return std::visit(
        [](auto const& v) {
          using value_type = std::remove_cvref_t<decltype(v)>;
          if constexpr (std::is_arithmetic_v<value_type> && !std::is_same_v<value_type, bool>)
            return static_cast<double>(v);
          else
            return std::numeric_limits<double>::quiet_NaN();
        },
        value_);
  }

  /// As people read it: fractions to `digits` significant digits, null as "-".
  std::string text(int digits = 5) const {
    return std::visit(
        [&](auto const& v) -> std::string {
          using value_type = std::remove_cvref_t<decltype(v)>;
          if constexpr (std::is_same_v<value_type, std::nullptr_t>) {
            return "-";
          } else if constexpr (std::is_same_v<value_type, bool>) {
            return v ? "yes" : "no";
          } else if constexpr (std::is_same_v<value_type, double>) {
            std::string const all = shortest(v), some = significant(v, digits);
            return all.size() < some.size() ? all : some;
          } else if constexpr (std::is_same_v<value_type, std::string>) {
            return v;
          } else {
            return shortest(v);
          }
        },
        value_);
  }

 private:
  static double nearest_short(float v) {
    double d = static_cast<double>(v);
    if (std::isfinite(v)) {
      std::string const text = shortest(v);
      std::from_chars(text.data(), text.data() + text.size(), d);
    }
    return d;
  }

  std::variant<std::nullptr_t, bool, long long, unsigned long long, double, std::string> value_ = nullptr;
};

}  // namespace foal::report
