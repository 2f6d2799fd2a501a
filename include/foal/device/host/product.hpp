// Matrix products on the host: register tiles over Eigen's vector types, a block of the right operand packed where it pays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <foal/device/host/lane_sums.hpp>
#include <foal/device/host/packet.hpp>
#include <foal/device/host/tile_shapes.hpp>

namespace foal::device::host_ops {

/// Row-major products. c may not overlap a or b. Sizes are of the product: c is [rows, cols].
///
/// The order of additions: an element of c is one chain over the depth, in order, from 0 or from c; product_nt with few rows
/// keeps one chain per vector lane and adds those at the end. Nothing depends on the CPU found at run time. Eigen's own
/// product would allocate, block by cache sizes, and repack the weights for every microbatch. As a fraction of a core's
/// multiply-adds in registers (float; AVX-512, and AVX2 on the same core): 8x512x512 nn 0.97, 0.86, nt 0.77, 0.81;
/// 64x512x512 nn 0.98, 0.94, nt 0.88, 0.91, tn 0.91, 0.91; with operands that come from an outer cache, in a Transformer's
/// sizes (288 rows), 0.90 to 0.97, 0.87 to 0.97.
class product_ops {
  static constexpr std::ptrdiff_t block_depth = 512;  // with this one or two writings of c do for most depths

 public:
  /// One packed block: block_depth rows of the widest panel of columns, at most four registers of 64 bytes.
  static constexpr std::size_t workspace_bytes = std::size_t{block_depth} * 4 * 64;

  explicit product_ops(void* workspace) : workspace_(workspace) {}

  /// c = a b (accumulate: c += a b); a [rows, depth], b [depth, cols].
  template <class S>
  void product_nn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    blocked<S>({rows, cols, depth}, {a, depth, 1}, {b, cols, 1}, c, accumulate, rows >= least_rows_to_copy);
  }

  /// c = a b^T (accumulate: c += a b^T); a [rows, depth], b [cols, depth].
  template <class S>
  void product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    // A dot product's end costs per element of c 48 times what packing costs per element of b; many rows pay for packing.
    if (rows < 16 && depth >= 48 * rows && depth >= 4 * full<S>) {
      dots<S>({rows, cols, depth}, a, b, c, accumulate);
    } else {
      chained_nt(rows, cols, depth, a, b, c, accumulate);
    }
  }

  /// c = a^T b (accumulate: c += a^T b); a [depth, rows], b [depth, cols].
  template <class S>
  void product_tn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    blocked<S>({rows, cols, depth}, {a, 1, rows}, {b, cols, 1}, c, accumulate, rows >= least_rows_to_copy);
  }

 protected:
  void* workspace() const { return workspace_; }

  /// product_nt with one chain over the depth, however few the rows.
  template <class S>
  void chained_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    blocked<S>({rows, cols, depth}, {a, depth, 1}, {b, 1, depth}, c, accumulate, true);
  }

 private:
  using index = std::ptrdiff_t;
  struct sizes {
    index rows, cols, depth;
  };
  /// Element (i, j) lies at data[i * down + j * right].
  template <class S>
  struct operand {
    S const* data;
    index down, right;
    operand at(index i, index j) const { return {data + i * down + j * right, down, right}; }
  };

  // Fewer tiles read a panel from where it lies as fast. Lines of a cache each, rows of it come in as fast as they are used.
  static constexpr int least_rows_to_copy = many_registers ? 48 : 128;
  static constexpr int least_rows_to_store = 16;
  template <class S>
  static constexpr int full = full_lanes<S>;

  static constexpr index line_bytes = 64;  // of the caches
  template <class S>
  static constexpr index line = line_bytes / sizeof(S);

  /// Where something lies that may be past an array's end: to ask the caches for it is harmless, a pointer would not be.
  static std::uintptr_t address(void const* p, index further) {
    return reinterpret_cast<std::uintptr_t>(p) + static_cast<std::uintptr_t>(further);
  }
  [[gnu::always_inline]] static void ask_for(std::uintptr_t at) {
    __builtin_prefetch(reinterpret_cast<void const*>(at), 0, 2);
  }

  /// Lines of the caches that a tile asks for, one at each step along the depth; in bytes. With step 0 nothing new.
  struct line_walk {
    std::uintptr_t at;
    index step;
  };

  /// What the tiles of one panel ask for while they compute, since its way from an outer cache would else be waited for: the
  /// next panel of b, a part a tile; of c the next tile; and of a the tiles to come, where no panel before has read them.
  template <class S>
  struct ahead {
    static constexpr index size = sizeof(S);
    operand<S> b;
    index depth, width;
    bool first, last;

    line_walk of_b(index tile) const {
      if (!last && b.right == 1 && tile * line<S> < width)
        return {address(b.data, (width + tile * line<S>)*size), b.down * size};
      if (!last && b.right > 1 && tile * depth * line<S> < width * b.right)
        return {address(b.data, (width * b.right + tile * depth * line<S>)*size), line_bytes};
      return {address(b.data, 0), 0};
    }
    line_walk of_a(operand<S> tile, index rows) const {
      if (tile.right > 1) {  // a^T b: rows to come lie beside; the first tile of a line asks for the next one
        std::uintptr_t const beside = address(tile.data, line_bytes);
        return {beside, beside % line_bytes < 16 ? tile.right * size : 0};
      }
      return {address(tile.data, first ? rows * tile.down * size : 0), first ? line_bytes : 0};
    }
  };

  /// c (+)= a b in panels of columns: as many whole tiles as fit, then ever narrower ones down to one column.
  template <class S>
  void blocked(sizes n, operand<S> a, operand<S> b, S* c, bool accumulate, bool pack) const {
    if (n.rows == 0 || n.cols == 0) return;
    if (n.depth == 0 && !accumulate) std::fill_n(c, n.rows * n.cols, S(0));
    index const blocks = (n.depth + block_depth - 1) / block_depth;
    for (index block = 0; block < blocks; ++block) {
      index const k = n.depth * block / blocks;
      sizes const part{n.rows, n.cols, n.depth * (block + 1) / blocks - k};
      panels<S, full<S>, tile_shapes::most_packets>(0, part, a.at(0, k), b.at(k, 0), c, accumulate || k > 0, pack);
    }
  }

  template <class S, int Lanes, int Packets>
  void panels(index col, sizes n, operand<S> a, operand<S> b, S* c, bool add, bool pack) const {
    constexpr index width = Lanes * Packets;
    static_assert(width * block_depth * sizeof(S) <= workspace_bytes);
    if constexpr (packet<S, Lanes>::exists) {
      for (; col + width <= n.cols; col += width) {
        constexpr int rows = tile_shapes::rows(Packets);
        operand<S> panel = b.at(0, col);
        ahead<S> const next{panel, n.depth, width, col == 0, col + 2 * width > n.cols};
        index r = 0;
        if (tile_shapes::stores_beside && b.right == 1 && n.rows >= least_rows_to_store && n.rows >= rows) {
          tile<S, Lanes, Packets, rows, true>(n.depth, a, panel, c + col, n.cols, add, next.of_a(a, rows), next.of_b(0));
          panel = {block<S>(), width, 1};
          r = rows;
        } else if (pack) {
          panel = packed<S, width>(n.depth, panel);
        }
        tiles<S, Lanes, Packets, rows>(r, n, a, panel, c + col, add, next);
        tiles<S, Lanes, Packets, 4>(r, n, a, panel, c + col, add, next);
        tiles<S, Lanes, Packets, 1>(r, n, a, panel, c + col, add, next);
      }
    }
    if constexpr (Packets > 1) {
      panels<S, Lanes, tile_shapes::fewer(Packets)>(col, n, a, b, c, add, pack);
    } else if constexpr (Lanes > 1) {
      panels<S, Lanes / 2, Lanes == 2 ? 2 : 1>(col, n, a, b, c, add, pack);
    }
  }

  /// One panel of c, Rows rows at a time from row r on, as far as whole tiles go.
  template <class S, int Lanes, int Packets, int Rows>
  void tiles(index& r, sizes n, operand<S> a, operand<S> b, S* c, bool add, ahead<S> const& next) const {
    for (; tile_shapes::fits(Rows, n.rows - r); r += Rows) {
      operand<S> const left = a.at(r, 0);
      tile<S, Lanes, Packets, Rows, false>(n.depth, left, b, c + r * n.cols, n.cols, add, next.of_a(left, Rows),
                                           next.of_b(r / Rows));
    }
  }

  template <class S>
  S* block() const {
    return static_cast<S*>(workspace_);
  }

  /// Copies depth x width elements into the workspace, rows together.
  template <class S, index Width>
  operand<S> packed(index depth, operand<S> b) const {
    S* const to = block<S>();
    if (b.right == 1) {
      // In registers: std::copy_n would call the library for each row.
      constexpr int lanes = Width % full<S> == 0 ? full<S> : 1;
      using vector = typename packet<S, lanes>::type;
      for (index k = 0; k < depth; ++k) {
#pragma GCC unroll 8
        for (index j = 0; j < Width; j += lanes) {
          Eigen::internal::pstoreu(to + k * Width + j, Eigen::internal::ploadu<vector>(b.data + k * b.down + j));
        }
      }
    } else {
      transpose_panel<S, Width>(depth, b.data, b.right, to);
    }
    return {to, Width, 1};
  }

  /// Rows x (Lanes * Packets) elements of c, held in registers over the depth. With Store the panel is copied on the way.
  template <class S, int Lanes, int Packets, int Rows, bool Store>
  [[gnu::always_inline]] void tile(index depth, operand<S> a, operand<S> b, S* c, index stride, bool add, line_walk of_a,
                                   line_walk of_b) const {
    namespace eigen = Eigen::internal;
    using vector = typename packet<S, Lanes>::type;
    constexpr index size = sizeof(S);
    vector sum[extent(Rows)][extent(Packets)];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int p = 0; p < Packets; ++p) {
        sum[r][p] = add ? eigen::ploadu<vector>(c + r * stride + p * Lanes) : eigen::pset1<vector>(S(0));
      }
    }
    column_walk<S, Rows> left_at(a.data, a.down);
    S const* right_at = b.data;
    [[maybe_unused]] S* copy = block<S>();
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int p = 0; p < Packets; ++p)
        __builtin_prefetch(reinterpret_cast<void const*>(address(c, ((r + Rows) * stride + p * Lanes) * size)), 1, 2);
    }
    auto const along = [&](auto asks) __attribute__((always_inline)) {
      for (index k = 0; k < depth; ++k) {
        left_at.settle();
        right_at = opaque(right_at);
        vector right[extent(Packets)];
#pragma GCC unroll 8
        for (int p = 0; p < Packets; ++p) right[p] = eigen::ploadu<vector>(right_at + p * Lanes);
        right_at += b.down;
        if constexpr (asks.value) {
          ask_for(of_a.at);
          ask_for(of_b.at);
          of_a.at += static_cast<std::uintptr_t>(of_a.step);
          of_b.at += static_cast<std::uintptr_t>(of_b.step);
        }
        if constexpr (Store) {
#pragma GCC unroll 8
          for (int p = 0; p < Packets; ++p) eigen::pstoreu(copy + p * Lanes, right[p]);
          copy += Packets * Lanes;
        }
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) {
          vector const left = eigen::pset1<vector>(left_at.element(r));
#pragma GCC unroll 8
          for (int p = 0; p < Packets; ++p) sum[r][p] = eigen::pmadd(left, right[p], sum[r][p]);
        }
        left_at.step(a.right);
      }
    };
    if (of_a.step != 0 || of_b.step != 0)
      along(std::true_type{});
    else
      along(std::false_type{});  // what is asked for takes turns with the loads
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int p = 0; p < Packets; ++p) eigen::pstoreu(c + r * stride + p * Lanes, sum[r][p]);
    }
  }

  /// c (+)= a b^T by dot products along the depth: reads b once, where it lies.
  template <class S>
  static void dots(sizes n, S const* a, S const* b, S* c, bool accumulate) {
    constexpr int most = tile_shapes::dot_columns;
    for (index col = 0; col < n.cols;) {
      index const width = n.cols - col >= most ? most : 1;
      for (index r = 0; r < n.rows;) {
        index const height = n.rows - r >= 4 ? 4 : 1;
        S const *const left = a + r * n.depth, *const right = b + col * n.depth;
        S* const out = c + r * n.cols + col;
        if (width == most && height == 4) dot_tile<S, 4, most>(n, left, right, out, accumulate);
        if (width == most && height == 1) dot_tile<S, 1, most>(n, left, right, out, accumulate);
        if (width == 1 && height == 4) dot_tile<S, 4, 1>(n, left, right, out, accumulate);
        if (width == 1 && height == 1) dot_tile<S, 1, 1>(n, left, right, out, accumulate);
        r += height;
      }
      col += width;
    }
  }

  template <class S, int Rows, int Cols>
  static void dot_tile(sizes n, S const* a, S const* b, S* c, bool accumulate) {
    namespace eigen = Eigen::internal;
    using vector = typename packet<S, full<S>>::type;
    vector sum[extent(Rows)][extent(Cols)];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int j = 0; j < Cols; ++j) sum[r][j] = eigen::pset1<vector>(S(0));
    }
    S const *left_at[extent(Rows)], *right_at[extent(Cols)];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) left_at[r] = opaque(a + r * n.depth);
#pragma GCC unroll 8
    for (int j = 0; j < Cols; ++j) right_at[j] = opaque(b + j * n.depth);
    index k = 0;
    for (; k + full<S> <= n.depth; k += full<S>) {
      vector right[extent(Cols)];
#pragma GCC unroll 8
      for (int j = 0; j < Cols; ++j) right[j] = in_register(eigen::ploadu<vector>(right_at[j] + k));
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        vector const left = in_register(eigen::ploadu<vector>(left_at[r] + k));
#pragma GCC unroll 8
        for (int j = 0; j < Cols; ++j) sum[r][j] = eigen::pmadd(left, right[j], sum[r][j]);
      }
    }
    S total[extent(Rows * Cols)];
    sums_of_lanes<S, Rows * Cols>(&sum[0][0], total);
    for (int r = 0; r < Rows; ++r) {
      for (int j = 0; j < Cols; ++j) {
        S of_tail = total[r * Cols + j];
        S const *const left = a + (r * n.depth + k), *const right = b + (j * n.depth + k);
        for (index i = 0; i < n.depth - k; ++i) of_tail += left[i] * right[i];
        S& out = c[r * n.cols + j];
        out = accumulate ? out + of_tail : of_tail;
      }
    }
  }

  void* workspace_;
};

}  // namespace foal::device::host_ops
