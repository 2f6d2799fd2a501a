// The numbers that an option of a program takes.
#pragma once

#include <cmath>
#include <string>

#include <foal/core/error.hpp>

namespace options {

struct range {
  double low, high;
  bool above = false, below = false;  ///< without low itself, without high itself
  bool whole = false;                 ///< without fractions

  /// False for what is not a number.
  bool has(double v) const {
    return (above ? v > low : v >= low) && (below ? v < high : v <= high) && (!whole || v == std::trunc(v));
  }
  /// "a number above 0 and up to 1e+06"
  std::string text() const {
    std::string const number = whole ? "a whole number " : "a number ";
    if (above) return foal::sentence(number, "above ", low, below ? " and below " : " and up to ", high);
    return below ? foal::sentence(number, "of ", low, " or more and below ", high)
                 : foal::sentence(number, "from ", low, " to ", high);
  }
};

inline constexpr int most = 1'000'000;  ///< of epochs, seeds, samples of a microbatch: more than anyone waits for
inline constexpr range positive{0, 1e6, true}, not_negative{0, 1e6}, share{0, 1}, share_below_1{0, 1, false, true},
    counted{1, most, false, false, true}, counted_from_0{0, most, false, false, true};

}  // namespace options
