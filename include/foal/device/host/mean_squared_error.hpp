// Mean squared error on the host, with its gradient in one pass.
#pragma once

#include <cstddef>

#include <foal/device/loss_sums.hpp>

namespace foal::device::host_ops {

/// Sums are taken in double in the order of the elements; NaN in, NaN out.
struct squared_error_ops {
  /// Per row of x [rows, cols] the mean over cols of (x - target)^2; dx = 2 (x - target) / cols / divide. dx may be null.
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
};

}  // namespace foal::device::host_ops
