// Softmax cross-entropy as its formulas stand, one row after the other: the oracle of the devices.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <foal/device/loss_sums.hpp>

namespace foal::test {

/// As device::host has it.
template <class S>
device::loss_sums plain_softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target, double smoothing,
                                              double divide, S* dx) {
  device::loss_sums result;
  double const spread = smoothing / cols;
  for (int r = 0; r < rows; ++r) {
    S const* const row = x + static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
    S* const out = dx == nullptr ? nullptr : dx + static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
    if (target[r] == device::ignored_target) {
      for (int j = 0; j < cols && out != nullptr; ++j) out[j] = S(0);
      continue;
    }
    ++result.counted;
    bool const known = target[r] >= 0 && target[r] < cols;
    int largest = 0;
    for (int j = 1; j < cols; ++j) {
      if (row[j] > row[largest]) largest = j;
    }
    double const top = static_cast<double>(row[largest]);
    double sum = 0, linear = 0;
    for (int j = 0; j < cols; ++j) {
      sum += std::exp(static_cast<double>(row[j]) - top);
      linear += static_cast<double>(row[j]) - top;
    }
    double loss = std::numeric_limits<double>::quiet_NaN();
    if (known) {
      loss = std::log(sum) - (1 - smoothing) * (static_cast<double>(row[target[r]]) - top);
      if (smoothing != 0) loss -= spread * linear;
    }
    result.sum += loss;
    if (known && largest == target[r] && !std::isnan(loss)) ++result.correct;
    for (int j = 0; j < cols && out != nullptr; ++j) {
      double const q = spread + (j == target[r] ? 1 - smoothing : 0.0);
      double const gradient = (std::exp(static_cast<double>(row[j]) - top) / sum - q) / divide;
      out[j] = static_cast<S>(known ? gradient : loss);
    }
  }
  return result;
}

}  // namespace foal::test
