// A host device with plain loops for products: the oracle in files where the host's matrix library has no place.
#pragma once

#include <cstddef>

#include <foal/device/host/dropout.hpp>
#include <foal/device/host/map.hpp>
#include <foal/device/host/mean_squared_error.hpp>
#include <foal/device/host/memory.hpp>

#include "plain_softmax.hpp"

namespace foal::test {

struct plain_device : device::host_ops::memory,
                      device::host_ops::map_ops,
                      device::host_ops::dropout_ops,
                      device::host_ops::squared_error_ops {
  static constexpr std::size_t workspace_bytes = 0;
  explicit plain_device(void*) {}

  template <class S>
  static void product_nn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) {
    product(rows, cols, depth, a, {depth, 1}, b, {cols, 1}, c, accumulate);
  }
  template <class S>
  static void product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) {
    product(rows, cols, depth, a, {depth, 1}, b, {1, depth}, c, accumulate);
  }
  template <class S>
  static void product_tn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) {
    product(rows, cols, depth, a, {1, rows}, b, {cols, 1}, c, accumulate);
  }

  template <class S>
  static void add_to_rows(int rows, int cols, S const* bias, S* y) {
    for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(rows) * cols; ++i) y[i] += bias[i % cols];
  }
  template <class S>
  static void sum_of_rows(int rows, int cols, S const* x, S* out) {
    for (std::ptrdiff_t c = 0; c < cols; ++c) {
      double sum = 0;
      for (std::ptrdiff_t r = 0; r < rows; ++r) sum += static_cast<double>(x[r * cols + c]);
      out[c] += static_cast<S>(sum);
    }
  }

  template <class S>
  static device::loss_sums softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target,
                                                 double smoothing, double divide, S* dx) {
    return plain_softmax_cross_entropy(rows, cols, x, target, smoothing, divide, dx);
  }

 private:
  struct steps {
    std::ptrdiff_t row, col;
  };
  template <class S>
  static void product(int rows, int cols, int depth, S const* a, steps of_a, S const* b, steps of_b, S* c, bool accumulate) {
    for (std::ptrdiff_t r = 0; r < rows; ++r)
      for (std::ptrdiff_t k = 0; k < cols; ++k) {
        double sum = 0;
        for (std::ptrdiff_t d = 0; d < depth; ++d)
          sum += static_cast<double>(a[r * of_a.row + d * of_a.col]) * static_cast<double>(b[d * of_b.row + k * of_b.col]);
        S& out = c[r * cols + k];
        out = static_cast<S>(accumulate ? static_cast<double>(out) + sum : sum);
      }
  }
};

}  // namespace foal::test
