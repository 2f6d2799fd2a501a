// Sums over positions of what their windows see times their gradients: what the weight gradient of a convolution is.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/device/host/places.hpp>
#include <foal/device/host/tile_shapes.hpp>
#include <foal/device/host/window_tile.hpp>

namespace foal::device::host_ops {

/// dweight [depth, filters] += the sum over positions of window x dy, a strip of positions after the other.
class window_outer {
 public:
  static constexpr std::size_t workspace_bytes = 64 << 10;

  explicit window_outer(void* workspace) : workspace_(workspace) {}

  /// dy [positions, filters]. With many filters the strip's part of the maps is brought together first, and dy is wherever
  /// it is wider than a panel: with a large stride between them, reads get in each other's way in caches and page tables.
  template <class S>
  void run(places const& at, window_runs w, std::ptrdiff_t filters, S const* maps, S const* dy, S* dweight) const {
    constexpr int lanes = full_lanes<S>;
    constexpr index most_rows = (workspace_bytes - strip * widest<S> * sizeof(S)) / (strip * sizeof(S));
    int offset[strip];
    S *const rows = static_cast<S*>(workspace_), *const panel = rows + strip * most_rows;
    bool const gather = filters >= 4 * widest<S>;
    walker place(at);
    for (index done = 0, n; done < at.count(); done += n) {
      n = std::min<index>(strip, at.count() - done);
      S const* const base = maps + place.n * at.sample;
      for (index i = 0; i < n; ++i, place.next()) offset[i] = static_cast<int>(maps + place.offset() - base);
      for (index s = 0; s < w.segments; ++s) {
        for (index r = 0, count; r < w.run; r += count) {
          count = gather ? std::min(most_rows, w.run - r) : w.run;
          S const* x = base + s * w.step + r;
          if (gather) {
            for (index i = 0; i < n; ++i) std::copy_n(x + offset[i], count, rows + i * count);
            x = rows;
          }
          panels<S, lanes, widest<S> / lanes>(0, n, gather ? nullptr : offset, count, filters, x, dy + done * filters, panel,
                                              dweight + (s * w.run + r) * filters);
        }
      }
    }
  }

 private:
  using index = std::ptrdiff_t;
  static constexpr int strip = 128;  // positions that a tile sums
  template <class S>
  static constexpr int widest = 2 * full_lanes<S>;  // columns of a panel

  /// x: row r of position i lies at x[offset[i] + r], or without offsets at x[i * rows + r].
  template <class S, int Lanes, int Packets>
  static void panels(index column, index n, int const* offset, index rows, index columns, S const* x, S const* dy, S* panel,
                     S* to) {
    constexpr int width = Lanes * Packets, most = Packets == 1 && many_registers ? 16 : tile_shapes::rows(Packets);
    if constexpr (packet<S, Lanes>::exists) {
      for (; column + width <= columns; column += width) {
        S const* right = dy;
        if (columns != width) {
          for (index i = 0; i < n; ++i) std::copy_n(dy + i * columns + column, width, panel + i * width);
          right = panel;
        }
        index r = 0;
        tiles<S, Lanes, Packets, most>(r, n, offset, rows, columns, x, right, to + column);
        tiles<S, Lanes, Packets, 4>(r, n, offset, rows, columns, x, right, to + column);
        tiles<S, Lanes, Packets, 1>(r, n, offset, rows, columns, x, right, to + column);
      }
    }
    if constexpr (Packets > 1) {
      panels<S, Lanes, Packets / 2>(column, n, offset, rows, columns, x, dy, panel, to);
    } else if constexpr (Lanes > 1) {
      panels<S, Lanes / 2, 1>(column, n, offset, rows, columns, x, dy, panel, to);
    }
  }

  template <class S, int Lanes, int Packets, int Rows>
  [[gnu::noinline]] static void tiles(index& r, index n, int const* offset, index rows, index columns, S const* x,
                                      S const* dy, S* to) {
    for (; tile_shapes::fits(Rows, rows - r); r += Rows) {
      S* const out = to + r * columns;
      if (offset == nullptr)
        outer_tile<S, Lanes, Packets, Rows>(
            n, [rows](index i) { return i * rows; }, x + r, dy, out, columns);
      else
        outer_tile<S, Lanes, Packets, Rows>(
            n, [offset](index i) { return offset[i]; }, x + r, dy, out, columns);
    }
  }

  void* workspace_;
};

}  // namespace foal::device::host_ops
