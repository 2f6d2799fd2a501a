// Softmax cross-entropy and mean squared error on the host, each with its gradient.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <foal/device/host/exponential.hpp>
#include <foal/device/host/lanes.hpp>
#include <foal/device/loss_sums.hpp>

namespace foal::device::host_ops {

/// Losses over the rows of x [rows, cols]. Sums over rows are taken in double in the order of the rows; NaN in, NaN out.
struct loss_ops {
  /// Cross-entropy of softmax(x) with the smoothed target q = (1 - e) onehot(t) + e / cols:
  ///   loss = log sum_j exp x_j - sum_j q_j x_j,   dx = (softmax(x) - q) / divide.
  /// Szegedy et al., Rethinking the Inception Architecture, section 7. dx may be null and is not x. A target outside
  /// [0, cols) makes the row's loss and gradient NaN, but ignored_target makes them 0, and the row is not counted. A row is
  /// read twice, for its largest entry and for its exponentials, which wait in dx for their sum; sums along a row are taken
  /// in double, in sixteen interleaved parts.
  template <class S>
  static loss_sums softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target, double smoothing,
                                         double divide, S* dx) {
    loss_sums result;
    for (int r = 0; r < rows; ++r) {
      std::size_t const at = static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
      cross_entropy_of_row(cols, x + at, target[r], smoothing, divide, dx == nullptr ? nullptr : dx + at, result);
    }
    return result;
  }

  /// Per row the mean over cols of (x - target)^2; dx = 2 (x - target) / cols / divide. dx may be null.
  template <class S>
  static loss_sums mean_squared_error(int rows, int cols, S const* x, S const* target, double divide, S* dx) {
    loss_sums result;
    result.counted = rows;
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

 private:
  template <class S>
  static void cross_entropy_of_row(int cols, S const* row, std::int32_t target, double smoothing, double divide, S* dx,
                                   loss_sums& result) {
    if (target == ignored_target) {
      if (dx != nullptr) std::fill_n(dx, cols, S(0));
      return;
    }
    ++result.counted;
    if (target < 0 || target >= cols) {
      result.sum += std::numeric_limits<double>::quiet_NaN();
      if (dx != nullptr) std::fill_n(dx, cols, std::numeric_limits<S>::quiet_NaN());
      return;
    }
    S const top = largest_in_lanes(cols, row);  // subtracted before exp, so that nothing overflows
    double const sum =
        dx == nullptr ? sum_in_lanes<double>(cols, exponentials<S>{row, top}) : fill_exponentials(cols, row, top, dx);
    double const wanted = static_cast<double>(row[target] - top);
    // With e = 0 a class of probability 0 has x_j = -inf, and 0 * -inf must not reach the loss.
    double loss = std::log(sum) - (1 - smoothing) * wanted;
    double const spread = smoothing / cols;
    if (smoothing != 0) {
      loss -= spread * sum_in_lanes<double>(cols, [row, top](int j) { return static_cast<double>(row[j] - top); });
    }
    result.sum += loss;
    // Of equal entries the first is the largest.
    if (row[target] == top && !std::isnan(loss) && std::find(row, row + target, top) == row + target) ++result.correct;
    if (dx == nullptr) return;

    double const here = (static_cast<double>(dx[target]) / sum - (spread + 1 - smoothing)) / divide;
    S const share = static_cast<S>(1 / (sum * divide)), less = static_cast<S>(spread / divide);
    S* __restrict out = dx;
    for (int j = 0; j < cols; ++j) out[j] = out[j] * share - less;
    dx[target] = static_cast<S>(here);  // near 0 for a confident row: the difference is taken in double
  }

  template <class S>
  struct exponentials {
    S const* row;
    S top;
    double operator()(int j) const { return static_cast<double>(exponential(row[j] - top)); }
  };

  /// out = exp(row - top); gives the sum.
  template <class S>
  static double fill_exponentials(int cols, S const* row, S top, S* out) {
    S* __restrict to = out;
    return sum_in_lanes<double>(cols, [row, top, to](int j) {
      S const value = exponential(row[j] - top);
      to[j] = value;
      return static_cast<double>(value);
    });
  }
};

}  // namespace foal::device::host_ops
