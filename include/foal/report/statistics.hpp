// Statistics of repeated runs: mean, spread, quantiles, and the paired comparison of two methods over the same seeds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include <foal/core/error.hpp>

namespace foal::report {

/// NaN for no values.
inline double mean(std::span<double const> values) {
  double sum = 0;
  for (double const v : values) sum += v;
  return values.empty() ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(values.size());
}

/// The sample's, with n - 1. 0 for one value, NaN for none.
inline double standard_deviation(std::span<double const> values) {
  if (values.size() < 2) return values.empty() ? std::numeric_limits<double>::quiet_NaN() : 0.0;
  double const centre = mean(values);
  double sum = 0;
  for (double const v : values) sum += (v - centre) * (v - centre);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

/// Quantile p in [0, 1], linear between order statistics (Hyndman and Fan's type 7, the usual default). NaN for no values.
/// Values must not be NaN.
inline double quantile(std::span<double const> values, double p) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  double const place = std::clamp(p, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  auto const below = static_cast<std::size_t>(place);
  double const rest = place - static_cast<double>(below);
  return rest == 0 ? sorted[below] : sorted[below] + rest * (sorted[below + 1] - sorted[below]);
}

inline double median(std::span<double const> values) { return quantile(values, 0.5); }

/// P(|T| <= t) of Student's t with `freedom` degrees of freedom, t >= 0 (Abramowitz and Stegun 26.7.3 and 26.7.4, exact).
inline double student_within(double t, int freedom) {
  double const angle = std::atan(t / std::sqrt(static_cast<double>(freedom)));
  double const sine = std::sin(angle), cosine = std::cos(angle), square = cosine * cosine;
  if (freedom % 2 == 0) {
    double term = 1, sum = 1;
    for (int k = 2; k < freedom; k += 2) sum += term *= square * (k - 1) / k;
    return sine * sum;
  }
  double term = cosine, sum = freedom > 1 ? cosine : 0;
  for (int k = 3; k < freedom; k += 2) sum += term *= square * (k - 1) / k;
  return (angle + sine * sum) * 2 * std::numbers::inv_pi;
}

/// The t with P(|T| <= t) = 0.95, to 1e-6: half the width of a 95 % interval in standard errors.
inline double student_95(int freedom) {
  require(freedom >= 1, "cannot give a 95 % interval with ", freedom,
          " degrees of freedom, because its width is unbounded; run at least two seeds");
  if (freedom > 200) {  // Abramowitz and Stegun 26.7.5; the first term left out is below 1e-6 here
    double const z = 1.959963984540054, f = freedom;
    double const z3 = z * z * z, z5 = z3 * z * z;
    return z + (z3 + z) / (4 * f) + (5 * z5 + 16 * z3 + 3 * z) / (96 * f * f);
  }
  double low = 0, high = 16;
  for (int i = 0; i < 60; ++i) {
    double const middle = (low + high) / 2;
    (student_within(middle, freedom) < 0.95 ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// A mean and the half width of its 95 % interval.
struct interval {
  double mean = 0, half_width = 0;
  double low() const { return mean - half_width; }
  double high() const { return mean + half_width; }
};

/// The mean's 95 % interval by Student's t; needs two values or more.
inline interval mean_interval(std::span<double const> values) {
  int const n = static_cast<int>(values.size());
  return {mean(values), student_95(n - 1) * standard_deviation(values) / std::sqrt(static_cast<double>(n))};
}

/// The mean of a[i] - b[i] with its 95 % interval: two methods on the same seeds, so that what the seeds have in common
/// cancels. Needs equally many values, two or more.
inline interval paired_difference(std::span<double const> a, std::span<double const> b) {
  require(a.size() == b.size(), "cannot compare ", a.size(), " runs with ", b.size(),
          " in pairs, because every run needs its partner; run both methods on the same seeds");
  std::vector<double> difference(a.begin(), a.end());
  for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= b[i];
  return mean_interval(difference);
}

}  // namespace foal::report
