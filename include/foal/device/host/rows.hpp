// Operations on matrices by rows: adding a bias to each, summing over them.
#pragma once

#include <algorithm>
#include <cstddef>

namespace foal::device::host_ops {

/// x and y are row-major [rows, cols].
struct row_ops {
  /// y[r, c] += bias[c].
  template <class S>
  static void add_to_rows(int rows, int cols, S const* bias, S* y) {
    S const* __restrict from = bias;
    for (int r = 0; r < rows; ++r) {
      S* __restrict to = y + static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
      for (int c = 0; c < cols; ++c) to[c] += from[c];
    }
  }

  /// out[c] += sum over r of x[r, c].
  template <class S>
  static void sum_of_rows(int rows, int cols, S const* x, S* out) {
    sum_of_terms(rows, cols, out, [x](std::size_t i, int) { return x[i]; });
  }

  /// out[c] += sum over r of x[r, c] * y[r, c].
  template <class S>
  static void sum_of_row_products(int rows, int cols, S const* x, S const* y, S* out) {
    sum_of_terms(rows, cols, out, [x, y](std::size_t i, int) { return x[i] * y[i]; });
  }

  /// out[c] += sum over r of term(r * cols + c, c). Rows are summed in blocks of 64 and the blocks in order, in tiles of
  /// columns that stay in registers or the first cache: the rounding error grows with 64 + rows / 64 instead of rows.
  template <class S, class Term>
  static void sum_of_terms(int rows, int cols, S* out, Term term) {
    constexpr int tile = 64, block = 64;
    for (int c0 = 0; c0 < cols; c0 += tile) {
      int const width = std::min(tile, cols - c0);
      for (int r0 = 0; r0 < rows; r0 += block) {
        int const last = std::min(rows, r0 + block);
        S part[tile] = {};
        for (int r = r0; r < last; ++r) {
          std::size_t const at = static_cast<std::size_t>(r) * static_cast<std::size_t>(cols) + static_cast<std::size_t>(c0);
          for (int c = 0; c < width; ++c) part[c] += term(at + static_cast<std::size_t>(c), c0 + c);
        }
        for (int c = 0; c < width; ++c) out[c0 + c] += part[c];
      }
    }
  }
};

}  // namespace foal::device::host_ops
