// The numbers that an option of a program takes.
#pragma once

#include <cmath>
#include <string>

#include <foal/core/error.hpp>
#include <foal/report/number.hpp>

namespace options {

struct range {
  double low, high;
  bool above = false, below = false;  ///< without low itself, without high itself
  bool whole = false;                 ///< without fractions

  /// False for what is not a number.
  bool has(double v) const {
    return (above ? v > low : v >= low) && (below ? v < high : v <= high) && (!whole || v == std::trunc(v));
  }
  /// "a number above 0 and up to 1000"
  std::string text() const {
    std::string const number = whole ? "a whole number " : "a number ", least = foal::report::trimmed(low, 6),
                      largest = foal::report::trimmed(high, 6);
    if (above) return foal::sentence(number, "above ", least, below ? " and below " : " and up to ", largest);
    return below ? foal::sentence(number, "of ", least, " or more and below ", largest)
                 : foal::sentence(number, "from ", least, " to ", largest);
  }
};

inline constexpr int most = 1'000'000;  ///< of epochs, seeds, samples of a microbatch: more than anyone waits for
inline constexpr range positive{0, 1e6, true}, not_negative{0, 1e6}, share{0, 1}, share_below_1{0, 1, false, true},
    counted{1, most, false, false, true}, counted_from_0{0, most, false, false, true};

}  // namespace options
