// Steps to a target, relative to no delay: the one measure of the laboratory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <foal/core/random.hpp>
#include <foal/report/statistics.hpp>

namespace delay_lab {

inline constexpr double never = std::numeric_limits<double>::infinity();

/// The mean of each point and up to `window` - 1 before it. What is not finite stays so until it has left the window.
inline std::vector<double> smoothed(std::span<double const> curve, int window) {
  std::vector<double> out(curve.size());
  for (std::size_t i = 0; i < curve.size(); ++i) {
    std::size_t const from = i + 1 > static_cast<std::size_t>(window) ? i + 1 - static_cast<std::size_t>(window) : 0;
    out[i] = foal::report::mean(curve.subspan(from, i + 1 - from));
  }
  return out;
}

/// Losses to reach: what a curve has at 8 points from 15 to 85 % of its length, made to fall.
inline std::vector<double> targets_of(std::span<double const> curve) {
  std::vector<double> out;
  if (curve.empty()) return out;
  for (int k = 0; k < 8; ++k) {
    auto const at = static_cast<std::size_t>((0.15 + 0.1 * k) * static_cast<double>(curve.size() - 1));
    double const loss = *std::min_element(curve.begin(), curve.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    if (out.empty() || loss < out.back()) out.push_back(loss);
  }
  return out;
}

/// Points until a curve is at the target or below, the last part of a step by a straight line; never: infinite.
inline double steps_to(std::span<double const> curve, double target) {
  for (std::size_t i = 0; i < curve.size(); ++i)
    if (curve[i] <= target) {
      if (i == 0 || !(curve[i - 1] > target)) return static_cast<double>(i + 1);
      return static_cast<double>(i) + (curve[i - 1] - target) / (curve[i - 1] - curve[i]);
    }
  return never;
}

/// The median over the targets of the delayed run's steps by those of the other one; infinite where it misses most of them.
inline double ratio_of(std::span<double const> delayed, std::span<double const> without, std::span<double const> targets) {
  std::vector<double> all;
  for (double const t : targets) {
    double const of = steps_to(without, t);
    if (std::isfinite(of)) all.push_back(std::min(steps_to(delayed, t) / of, 1e9));
  }
  double const m = foal::report::median(all);
  return m < 1e8 ? m : never;
}

struct interval_of_median {
  double median = never, low = never, high = never;
};

/// The median over runs and its 95 % bootstrap interval, of 2000 samples that are the same for the same values.
inline interval_of_median bootstrap(std::span<double const> values) {
  if (values.empty()) return {};
  std::vector<double> capped(values.begin(), values.end()), medians, sample(values.size());
  for (double& v : capped) v = std::min(v, 1e9);
  for (std::uint32_t b = 0; b < 2000; ++b) {
    for (std::size_t i = 0; i < sample.size(); ++i) {
      foal::random_key const key{1, foal::purpose::user, 0, b};
      sample[i] = capped[foal::random_word(key, static_cast<std::uint32_t>(i)) % capped.size()];
    }
    medians.push_back(foal::report::median(sample));
  }
  auto const finite = [](double v) { return v < 1e8 ? v : never; };
  return {finite(foal::report::median(capped)), finite(foal::report::quantile(medians, 0.025)),
          finite(foal::report::quantile(medians, 0.975))};
}

}  // namespace delay_lab
