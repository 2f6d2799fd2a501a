// Sums over windows, one for every position of the output: what a convolution and its input gradient are.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/device/host/places.hpp>
#include <foal/device/host/tile_shapes.hpp>
#include <foal/device/host/window_tile.hpp>

namespace foal::device::host_ops {

/// The width of a panel of columns, as a type.
template <int Value>
struct panel_width {
  static constexpr int value = Value;
};

/// Every output = the sum over its window of element times weight, in order: one chain for each, whatever the others are.
class window_sums {
 public:
  static constexpr std::size_t workspace_bytes = 32 << 10;

  explicit window_sums(void* workspace) : workspace_(workspace) {}

  /// The columns of all outputs. pack(panel_width, first, depth, column, block) gives where the weights [depth, width] from
  /// row `first` and column `column` on lie together: in block, unless they lie so already.
  template <class S, class Pack>
  void run(places const& at, window_runs w, std::ptrdiff_t columns, S const* maps, outputs<S> to, Pack const& pack) const {
    // Blocks of positions whose maps stay cached while panel after panel reads them. Even, so that positions come in pairs.
    index const each = std::max<index>(1, at.row / at.columns), block = std::max<index>(256, (index{64} << 10) / each);
    index const blocks = (at.count() + block - 1) / block;
    for (index b = 0; b < blocks; ++b) {
      index const first = at.count() * b / blocks / 2 * 2,
                  last = b + 1 == blocks ? at.count() : at.count() * (b + 1) / blocks / 2 * 2;
      panels<S, full_lanes<S>, 2>(0, {at, first, last - first}, w, columns, maps, to, pack);
    }
  }

 private:
  using index = std::ptrdiff_t;
  struct part {
    places const& all;
    index first, count;
  };

  /// As many whole panels as fit, then ever narrower ones down to one column.
  template <class S, int Lanes, int Packets, class Pack>
  void panels(index column, part const& at, window_runs w, index columns, S const* maps, outputs<S> to,
              Pack const& pack) const {
    constexpr int width = Lanes * Packets, most = tile_shapes::rows(Packets);
    if constexpr (packet<S, Lanes>::exists) {
      constexpr index block = std::min<index>(256, workspace_bytes / (width * sizeof(S)));
      index const blocks = (w.depth() + block - 1) / block;
      for (; column + width <= columns; column += width) {
        outputs<S> const out{to.first + column, to.sample, to.row, to.column};
        for (index b = 0; b < blocks; ++b) {
          index const k = w.depth() * b / blocks, depth = w.depth() * (b + 1) / blocks - k;
          S const* const weight = pack(panel_width<width>{}, k, depth, column, static_cast<S*>(workspace_));
          // In pairs more positions fit, which a single packet of columns needs to have enough sums in flight; and with
          // few registers of either kind pointers are short too.
          constexpr int paired = many_registers && Packets == 1 ? 2 * most : most;
          constexpr bool pairs = Lanes == full_lanes<S> && (Packets == 1 || !many_registers);
          if (pairs && at.all.columns % 2 == 0)
            positions<window_tile<S, Lanes, Packets, paired, pairs>>(at, w, k, depth, maps, weight, out);
          else
            positions<window_tile<S, Lanes, Packets, most, false>>(at, w, k, depth, maps, weight, out);
        }
      }
    }
    if constexpr (Packets > 1) {
      panels<S, Lanes, Packets / 2>(column, at, w, columns, maps, to, pack);
    } else if constexpr (Lanes > 1) {
      panels<S, Lanes / 2, 1>(column, at, w, columns, maps, to, pack);
    }
  }

  /// One panel and a part of the depth, for some positions. The last tile takes its last position several times. Not
  /// inlined: with all of a caller's values around it, the tile's own no longer fit into registers.
  template <class Tile, class S>
  [[gnu::noinline]] static void positions(part const& at, window_runs w, index first, index depth, S const* maps,
                                          S const* weight, outputs<S> const& to) {
    constexpr int each = Tile::positions / Tile::bases;
    walker place(at.all, at.first);
    for (index left = at.count; left > 0;) {
      Tile tile;
      for (int i = 0; i < Tile::bases; ++i) {
        if (left > 0) {
          tile.from[i] = maps + place.offset();
          for (int j = 0; j < each; ++j, place.next()) tile.to[i * each + j] = to.at(place.n, place.i, place.j);
          left -= each;
        } else {
          tile.from[i] = tile.from[i - 1];
          for (int j = 0; j < each; ++j) tile.to[i * each + j] = tile.to[(i - 1) * each + j];
        }
      }
      tile.run(w, first, depth, weight, at.all.column, first > 0);
    }
  }

  void* workspace_;
};

}  // namespace foal::device::host_ops
