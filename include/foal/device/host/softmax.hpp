// Softmax cross-entropy and mean squared error on the host, each with its gradient in one pass.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace foal::device::host_ops {

/// The sum of a microbatch's losses, and how many rows had their target as the largest entry.
struct loss_sums {
  double sum = 0;
  long long correct = 0;
};

/// Losses over the rows of x [rows, cols]. Sums are taken in double in the order of the rows; NaN in, NaN out.
struct loss_ops {
  /// Cross-entropy of softmax(x) with the smoothed target q = (1 - e) onehot(t) + e / cols:
  ///   loss = log sum_j exp x_j - sum_j q_j x_j,   dx = (softmax(x) - q) / divide.
  /// Szegedy et al., Rethinking the Inception Architecture, section 7. dx may be null. A target outside [0, cols) makes the
  /// row's loss and gradient NaN.
  template <class S>
  static loss_sums softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target, double smoothing,
                                         double divide, S* dx) {
    loss_sums result;
    double const spread = smoothing / cols;
    for (int r = 0; r < rows; ++r) {
      S const* const row = x + static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
      bool const known = target[r] >= 0 && target[r] < cols;
      int largest = 0;
      for (int j = 1; j < cols; ++j) {
        if (row[j] > row[largest]) largest = j;
      }
      S const top = row[largest];  // subtracted before exp, so that nothing overflows
      double sum = 0, linear = 0;
      for (int j = 0; j < cols; ++j) {
        S const shifted = row[j] - top;
        sum += static_cast<double>(std::exp(shifted));
        linear += static_cast<double>(shifted);
      }
      // With e = 0 a class of probability 0 has x_j = -inf, and 0 * -inf must not reach the loss.
      double loss = std::numeric_limits<double>::quiet_NaN();
      if (known) {
        loss = std::log(sum) - (1 - smoothing) * static_cast<double>(row[target[r]] - top);
        if (smoothing != 0) loss -= spread * linear;
      }
      result.sum += loss;
      if (known && largest == target[r] && !std::isnan(loss)) ++result.correct;
      if (dx == nullptr) continue;
      S* const out = dx + static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
      for (int j = 0; j < cols; ++j) {
        double const q = spread + (j == target[r] ? 1 - smoothing : 0.0);
        double const gradient = (static_cast<double>(std::exp(row[j] - top)) / sum - q) / divide;
        out[j] = static_cast<S>(known ? gradient : loss);
      }
    }
    return result;
  }

  /// Per row the mean over cols of (x - target)^2; dx = 2 (x - target) / cols / divide. dx may be null.
  template <class S>
  static loss_sums mean_squared_error(int rows, int cols, S const* x, S const* target, double divide, S* dx) {
    loss_sums result;
    for (int r = 0; r < rows; ++r) {
      std::size_t const at = static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
      double sum = 0;
      for (int j = 0; j < cols; ++j) {
        std::size_t const i = at + static_cast<std::size_t>(j);
        double const difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
        sum += difference * difference;
        if (dx != nullptr) dx[i] = static_cast<S>(2 * difference / cols / divide);
      }
      result.sum += sum / cols;
    }
    return result;
  }
};

}  // namespace foal::device::host_ops
