// Small matrix products on the host between operands that lie inside wider arrays: register tiles over Eigen's vector types.
#pragma once

#include <Eigen/Core>
#include <cstddef>

#include <foal/device/host/packet.hpp>
#include <foal/device/host/tile_shapes.hpp>

namespace foal::device::host_ops {

/// A matrix in an array: element (i, j) lies at data[i * down + j * right].
template <class S>
struct strided {
  S const* data;
  std::ptrdiff_t down, right;
};

/// c (+)= a b for operands that fit the first cache: c [rows, cols] with rows `step` apart, a [rows, depth] of any strides,
/// b [depth, cols] with neighbouring columns. An element of c is one chain over the depth, in order, from 0 or from c. The
/// arrays do not overlap.
class strided_product {
 public:
  template <class S>
  static void run(int rows, int cols, int depth, strided<S> a, S const* b, std::ptrdiff_t b_step, S* c, std::ptrdiff_t step,
                  bool accumulate) {
    panels<S, full_lanes<S>, tile_shapes::most_packets>(0, {rows, cols, depth}, a, b, b_step, c, step, accumulate);
  }

 private:
  using index = std::ptrdiff_t;
  struct sizes {
    index rows, cols, depth;
  };
  /// Columns from `col` on in whole tiles of Packets registers, then in ever narrower ones.
  template <class S, int Lanes, int Packets>
  static void panels(index col, sizes n, strided<S> a, S const* b, index b_step, S* c, index step, bool add) {
    if constexpr (packet<S, Lanes>::exists) {
      constexpr int most_rows = tile_shapes::rows(Packets);
      for (; col + Lanes * Packets <= n.cols; col += Lanes * Packets) {
        index r = 0;
        tiles<S, Lanes, Packets, most_rows>(r, n, a, b + col, b_step, c + col, step, add);
        tiles<S, Lanes, Packets, 4>(r, n, a, b + col, b_step, c + col, step, add);
        tiles<S, Lanes, Packets, 1>(r, n, a, b + col, b_step, c + col, step, add);
      }
    }
    if constexpr (Packets > 1) {
      panels<S, Lanes, tile_shapes::fewer(Packets)>(col, n, a, b, b_step, c, step, add);
    } else if constexpr (Lanes > 1) {
      panels<S, Lanes / 2, 1>(col, n, a, b, b_step, c, step, add);
    }
  }

  template <class S, int Lanes, int Packets, int Rows>
  static void tiles(index& r, sizes n, strided<S> a, S const* b, index b_step, S* c, index step, bool add) {
    for (; tile_shapes::fits(Rows, n.rows - r); r += Rows) {
      tile<S, Lanes, Packets, Rows>(n.depth, {a.data + r * a.down, a.down, a.right}, b, b_step, c + r * step, step, add);
    }
  }

  /// Rows x (Lanes * Packets) elements of c, held in registers over the depth.
  template <class S, int Lanes, int Packets, int Rows>
  [[gnu::always_inline]] static void tile(index depth, strided<S> a, S const* b, index b_step, S* c, index step, bool add) {
    namespace eigen = Eigen::internal;
    using vector = typename packet<S, Lanes>::type;
    vector sum[extent(Rows)][extent(Packets)];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int p = 0; p < Packets; ++p) {
        sum[r][p] = add ? eigen::ploadu<vector>(c + r * step + p * Lanes) : eigen::pset1<vector>(S(0));
      }
    }
    column_walk<S, Rows> left_at(a.data, a.down);
    for (index k = 0; k < depth; ++k) {
      left_at.settle();
      b = opaque(b);
      vector right[extent(Packets)];
#pragma GCC unroll 8
      for (int p = 0; p < Packets; ++p) right[p] = eigen::ploadu<vector>(b + p * Lanes);
      b += b_step;
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        vector const left = eigen::pset1<vector>(left_at.element(r));
#pragma GCC unroll 8
        for (int p = 0; p < Packets; ++p) sum[r][p] = eigen::pmadd(left, right[p], sum[r][p]);
      }
      left_at.step(a.right);
    }
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int p = 0; p < Packets; ++p) eigen::pstoreu(c + r * step + p * Lanes, sum[r][p]);
    }
  }
};

}  // namespace foal::device::host_ops
