// Operations on matrices by rows: adding a bias to each, summing over them.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/device/host/packet.hpp>

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
    sums_of_terms<1>(rows, cols, x, &out, [](auto const& value, std::ptrdiff_t, std::ptrdiff_t, auto* sum) {
      sum[0] = Eigen::internal::padd(sum[0], value);
    });
  }

  /// out[c] += sum over r of x[r, c] * y[r, c].
  template <class S>
  static void sum_of_row_products(int rows, int cols, S const* x, S const* y, S* out) {
    sums_of_terms<1>(
        rows, cols, x, &out,
        [y](auto const& value, std::ptrdiff_t at, std::ptrdiff_t, auto* sum) {
          sum[0] = Eigen::internal::pmadd(value, load_like(value, y + at), sum[0]);
        },
        y);
  }

  /// Both of the above in one pass.
  template <class S>
  static void sums_of_rows_and_products(int rows, int cols, S const* x, S const* y, S* sum, S* sum_of_products) {
    S* const out[] = {sum, sum_of_products};
    sums_of_terms<2>(
        rows, cols, x, out,
        [y](auto const& value, std::ptrdiff_t at, std::ptrdiff_t, auto* sums) {
          sums[0] = Eigen::internal::padd(sums[0], value);
          sums[1] = Eigen::internal::pmadd(value, load_like(value, y + at), sums[1]);
        },
        y);
  }

  /// out[c] += sum over r of (x[r, c] - mean[c])^2.
  template <class S>
  static void sum_of_squared_distances(int rows, int cols, S const* x, S const* mean, S* out) {
    sums_of_terms<1>(rows, cols, x, &out, [mean](auto const& value, std::ptrdiff_t, std::ptrdiff_t column, auto* sum) {
      auto const distance = Eigen::internal::psub(value, load_like(value, mean + column));
      sum[0] = Eigen::internal::pmadd(distance, distance, sum[0]);
    });
  }

 private:
  /// As many elements as a register of that type has.
  template <class V, class S>
  [[gnu::always_inline]] static V load_like(V const&, S const* p) {
    return Eigen::internal::ploadu<V>(p);
  }

  /// out[i][c] += sum over r of term i of x[r, c]. add(x's elements, their place in x, their column, sums) adds its Count
  /// terms. Rows are summed in blocks of 64, in each block the rows of a residue by 4 or 8 before the residues, and the
  /// blocks in order: the rounding error grows with 16 + rows / 64 instead of rows, and additions do not wait for each
  /// other. beside: what add reads at the same places.
  template <int Count, class S, class Add, class... Beside>
  static void sums_of_terms(int rows, int cols, S const* x, S* const* out, Add add, Beside const*... beside) {
    std::ptrdiff_t const step = std::ptrdiff_t{64} * cols;
    constexpr int packets = Count == 1 ? 4 : 2;
    // Of wide rows a block's columns are read apart. What comes from far is then asked for in the order of memory, a block
    // ahead: in that of columns it came at a third of the memory's speed.
    bool const far = cols > full_lanes<S> * packets &&
                     std::ptrdiff_t{rows} * cols >= static_cast<std::ptrdiff_t>((1U << 19U) / sizeof(S));
    for (std::ptrdiff_t r = 0; r < rows; r += 64) {
      bool const ahead = far && r + 128 <= rows;
      auto ask = [&, at = (r + 64) * cols](std::ptrdiff_t n) mutable {
        if (!ahead) return;
        std::ptrdiff_t const end = std::min(at + n, (r + 64) * cols + step);
        for (; at < end; at += 64 / static_cast<std::ptrdiff_t>(sizeof(S))) {
          __builtin_prefetch(x + at, 0, 2);
          (__builtin_prefetch(beside + at, 0, 2), ...);
        }
      };
      columns<Count, S, full_lanes<S>, packets>(0, r, std::min<std::ptrdiff_t>(rows, r + 64), cols, x, out, add, ask);
    }
  }

  template <int Count, class S, int Lanes, int Packets, class Add, class Ask>
  static void columns(std::ptrdiff_t column, std::ptrdiff_t r, std::ptrdiff_t last, std::ptrdiff_t cols, S const* x,
                      S* const* out, Add add, Ask& ask) {
    if constexpr (packet<S, Lanes>::exists) {
      // Counted down: from a bound on the column, g++ derives a walk past the end where cols is a constant.
      for (std::ptrdiff_t left = (cols - column) / (Lanes * Packets); left > 0; --left, column += Lanes * Packets)
        block<Count, S, Lanes, Packets>(column, r, last, cols, x, out, add, ask);
    }
    if constexpr (Packets > 1) {
      columns<Count, S, Lanes, 1>(column, r, last, cols, x, out, add, ask);
    } else if constexpr (Lanes > 1) {
      columns<Count, S, Lanes / 2, 1>(column, r, last, cols, x, out, add, ask);
    }
  }

  template <int Count, class S, int Lanes, int Packets, class Add, class Ask>
  static void block(std::ptrdiff_t column, std::ptrdiff_t r, std::ptrdiff_t last, std::ptrdiff_t cols, S const* x,
                    S* const* out, Add add, Ask& ask) {
    namespace eigen = Eigen::internal;
    using vector = typename packet<S, Lanes>::type;
    constexpr int residues = Packets > 1 ? 4 : 8;
    vector sum[extent(residues)][extent(Packets)][extent(Count)];
#pragma GCC unroll 8
    for (int i = 0; i < residues; ++i) {
#pragma GCC unroll 4
      for (int p = 0; p < Packets; ++p) {
#pragma GCC unroll 2
        for (int k = 0; k < Count; ++k) sum[i][p][k] = eigen::pset1<vector>(S(0));
      }
    }
    for (; r + residues <= last; r += residues) {
      ask(residues * Packets * Lanes);
#pragma GCC unroll 8
      for (int i = 0; i < residues; ++i) {
#pragma GCC unroll 4
        for (int p = 0; p < Packets; ++p) {
          std::ptrdiff_t const c = column + p * Lanes, at = (r + i) * cols + c;
          add(eigen::ploadu<vector>(x + at), at, c, sum[i][p]);
        }
      }
    }
    for (; r < last; ++r) {
#pragma GCC unroll 4
      for (int p = 0; p < Packets; ++p) {
        std::ptrdiff_t const c = column + p * Lanes, at = r * cols + c;
        add(eigen::ploadu<vector>(x + at), at, c, sum[0][p]);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < Packets; ++p) {
#pragma GCC unroll 2
      for (int k = 0; k < Count; ++k) {
#pragma GCC unroll 8
        for (int i = 1; i < residues; ++i) sum[0][p][k] = eigen::padd(sum[0][p][k], sum[i][p][k]);
        S* const to = out[k] + column + p * Lanes;
        eigen::pstoreu(to, eigen::padd(eigen::ploadu<vector>(to), sum[0][p][k]));
      }
    }
  }
};

}  // namespace foal::device::host_ops
