// Softmax cross-entropy on the host, with its gradient.
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

/// The loss over the rows of x [rows, cols]. The sum over rows is taken in double in their order; NaN in, NaN out.
class cross_entropy_ops {
 public:
  /// Cross-entropy of softmax(x) with the smoothed target q = (1 - e) onehot(t) + e / cols:
  ///   loss = log sum_j exp x_j - sum_j q_j x_j,   dx = (softmax(x) - q) / divide.
  /// Szegedy et al., Rethinking the Inception Architecture, section 7. dx may be null and is not x. A target outside
  /// [0, cols) makes the row's loss and gradient NaN, but ignored_target makes them 0, and the row is not counted. A row is
  /// read twice, for its largest entry and for its exponentials, which wait in dx for their sum, taken in double.
  template <class S>
  static loss_sums softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target, double smoothing,
                                         double divide, S* dx) {
    loss_sums result;
    for (int r = 0; r < rows; ++r) {
      std::size_t const at = static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
      one_row(cols, x + at, target[r], smoothing, divide, dx == nullptr ? nullptr : dx + at, result);
    }
    return result;
  }

 private:
  static constexpr int chunk = 256;  ///< columns whose exponentials in double stay in the first cache

  template <class S>
  static void one_row(int cols, S const* row, std::int32_t target, double smoothing, double divide, S* dx,
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
    S const top = largest_of_row(cols, row);  // subtracted before exp, so that nothing overflows
    double sum = 0, linear = 0;
    S part[chunk];
    for (int first = 0; first < cols; first += chunk) {
      int const n = std::min(chunk, cols - first);
      S* const to = dx == nullptr ? part : dx + first;
      sum += exponentials(n, row + first, top, to);
      if (smoothing != 0) linear += distances(n, row + first, top);
    }
    // With e = 0 a class of probability 0 has x_j = -inf, and 0 * -inf must not reach the loss.
    double loss = std::log(sum) - (1 - smoothing) * static_cast<double>(row[target] - top);
    double const spread = smoothing / cols;
    if (smoothing != 0) loss -= spread * linear;
    result.sum += loss;
    // Of equal entries the first is the largest.
    if (row[target] == top && !std::isnan(loss) && std::find(row, row + target, top) == row + target) ++result.correct;
    if (dx == nullptr) return;

    // Near 0 for a confident row: there the difference is taken in double.
    double const here = (static_cast<double>(dx[target]) / sum - (spread + 1 - smoothing)) / divide;
    S const share = static_cast<S>(1 / (sum * divide)), less = static_cast<S>(spread / divide);
    for (int j = 0; j < cols; ++j) dx[j] = dx[j] * share - less;
    dx[target] = static_cast<S>(here);
  }

  /// to = exp(row - top); gives the sum, in double. n <= chunk.
  template <class S>
  static double exponentials(int n, S const* row, S top, S* to) {
    double wide[chunk];
    S const* __restrict from = row;
    S* __restrict out = to;
    for (int j = 0; j < n; ++j) out[j] = exponential(from[j] - top);
    for (int j = 0; j < n; ++j) wide[j] = static_cast<double>(out[j]);
    return sum_of_row(n, wide);
  }

  /// The sum of row - top, in double. n <= chunk.
  template <class S>
  static double distances(int n, S const* row, S top) {
    double wide[chunk];
    for (int j = 0; j < n; ++j) wide[j] = static_cast<double>(row[j] - top);
    return sum_of_row(n, wide);
  }
};

}  // namespace foal::device::host_ops
