// Numbers as people read them: fixed digits, grouped digits, bytes, SI prefixes, durations. No locale, so the same
// everywhere.
#pragma once

#include <foal/core/config.hpp>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <system_error>

namespace foal::report {

/// The shortest decimal text that reads back as the same number; "nan", "inf" and "-inf" as they are.
template <class Number>
std::string shortest(Number v) {
  char buffer[64];
  auto const end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
  return {buffer, end};
}

/// `decimals` digits behind the point. Never "-0.00".
inline std::string fixed(double v, int decimals) {
  char buffer[400];  // the longest double has 309 digits before the point
  auto const [end, code] = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::fixed, decimals);
  if (code != std::errc{}) return shortest(v);
  std::string text(buffer, end);
  if (text[0] == '-' && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

/// `fixed` without zeros at the end of the fraction: 2.50 is "2.5", 3.00 is "3".
inline std::string trimmed(double v, int decimals) {
  std::string text = fixed(v, decimals);
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

/// About `digits` significant digits, without an exponent between 1e-4 and 1e7.
inline std::string significant(double v, int digits) {
  if (!std::isfinite(v) || v == 0) return shortest(v == 0 ? 0.0 : v);
  double const size = std::abs(v);
  if (size < 1e-4 || size >= 1e7) {
    char buffer[64];
    auto const end =
        std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific, digits > 1 ? digits - 1 : 0).ptr;
    return {buffer, end};
  }
  int const decimals = digits - 1 - static_cast<int>(std::floor(std::log10(size)));
  return fixed(v, decimals > 0 ? decimals : 0);
}

/// Digits in groups of three: 1234567 is "1,234,567".
inline std::string grouped(long long v) {
  std::string text = shortest(v);
  std::size_t const first = text[0] == '-' ? 1 : 0;
  for (std::size_t at = text.size(); at > first + 3;) text.insert(at -= 3, 1, ',');
  return text;
}

namespace detail {

inline std::string prefixed(double v, double base, char const* const (&prefixes)[6], char const* unit) {
  int prefix = 0;
  // 999.5 would print as 1000 with three digits; the next prefix reads better
  while (std::abs(v) >= base * 0.9995 && prefix < 5) v /= base, ++prefix;
  double const size = std::abs(v);
  int const decimals = prefix == 0 ? 0 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  return (prefix == 0 ? trimmed(v, 2) : fixed(v, decimals)) + " " + prefixes[prefix] + unit;
}

}  // namespace detail

/// Three digits and a binary prefix: 1536 is "1.50 KiB".
inline std::string bytes(long long v) {
  return detail::prefixed(static_cast<double>(v), 1024, {"", "Ki", "Mi", "Gi", "Ti", "Pi"}, "B");
}

/// Three digits and an SI prefix before `unit`: 1.2e6 with "FLOP" is "1.20 MFLOP".
inline std::string with_prefix(double v, char const* unit) {
  return detail::prefixed(v, 1000, {"", "k", "M", "G", "T", "P"}, unit);
}

/// Seconds as "0.42 s", "12.3 s", "2:05 min" or "1:02:05 h".
inline std::string duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "-";
  if (seconds < 9.995) return fixed(seconds, 2) + " s";
  if (seconds < 59.95) return fixed(seconds, 1) + " s";
  auto const whole = static_cast<long long>(seconds + 0.5);
  auto const two = [](long long v) { return std::string(v < 10 ? "0" : "").append(shortest(v)); };
  if (whole < 3600) return shortest(whole / 60) + ":" + two(whole % 60) + " min";
  return shortest(whole / 3600) + ":" + two(whole / 60 % 60) + ":" + two(whole % 60) + " h";
}

}  // namespace foal::report
