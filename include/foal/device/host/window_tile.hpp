// Register tiles of convolutions on the host: sums over a window at several positions, and sums over positions.
#pragma once

#include <cstddef>

#include <foal/device/host/packet.hpp>

namespace foal::device::host_ops {

/// What one position of the output sees of the maps: `segments` runs of neighbouring elements, one for each row of the
/// window, `step` elements apart. Run after run they are the depth of a convolution's product.
struct window_runs {
  std::ptrdiff_t segments, run, step;
  std::ptrdiff_t depth() const { return segments * run; }
};

/// Positions x (Lanes * Packets) elements of the output, in registers over the depth. With Pairs the positions come two by
/// two, the second of each `apart` elements behind the first: half as many pointers, so more of them fit into registers.
template <class S, int Lanes, int Packets, int Positions, bool Pairs>
struct window_tile {
  static constexpr int width = Lanes * Packets;
  static constexpr int positions = Positions;
  static constexpr int bases = Pairs ? Positions / 2 : Positions;

  S const* from[extent(bases)];
  S* to[extent(Positions)];

  /// Elements first .. first + count of the depth, in order, on top of 0 or (add) of what the output holds. weight [count,
  /// width]. Positions may be given twice.
  [[gnu::always_inline]] void run(window_runs w, std::ptrdiff_t first, std::ptrdiff_t count, S const* weight,
                                  std::ptrdiff_t apart, bool add) const {
    namespace eigen = Eigen::internal;
    using vector = typename packet<S, Lanes>::type;
    vector sum[extent(Positions)][extent(Packets)];
#pragma GCC unroll 16
    for (int i = 0; i < Positions; ++i) {
#pragma GCC unroll 4
      for (int p = 0; p < Packets; ++p)
        sum[i][p] = add ? eigen::ploadu<vector>(to[i] + p * Lanes) : eigen::pset1<vector>(S(0));
    }
    // Where the sums go comes from an outer cache: on its way while they are made.
#pragma GCC unroll 16
    for (int i = 0; i < Positions; ++i) {
#pragma GCC unroll 4
      for (int p = 0; p < Packets; ++p) __builtin_prefetch(to[i] + p * Lanes, 1, 2);
    }
    S const* at[extent(bases)];
    std::ptrdiff_t const skip = first / w.run * w.step;
    std::ptrdiff_t within = first % w.run;
#pragma GCC unroll 16
    for (int i = 0; i < bases; ++i) at[i] = from[i] + skip;
    while (count > 0) {
      std::ptrdiff_t const end = w.run < within + count ? w.run : within + count;
      count -= end - within;
      for (std::ptrdiff_t k = within; k < end; ++k, weight += width) {
        vector right[extent(Packets)];
#pragma GCC unroll 4
        for (int p = 0; p < Packets; ++p) right[p] = eigen::ploadu<vector>(weight + p * Lanes);
#pragma GCC unroll 16
        for (int i = 0; i < Positions; ++i) {
          vector const left = eigen::pset1<vector>(Pairs ? at[i / 2][k + (i % 2) * apart] : at[i][k]);
#pragma GCC unroll 4
          for (int p = 0; p < Packets; ++p) sum[i][p] = eigen::pmadd(left, right[p], sum[i][p]);
        }
      }
      within = 0;
#pragma GCC unroll 16
      for (int i = 0; i < bases; ++i) at[i] += w.step;
    }
#pragma GCC unroll 16
    for (int i = 0; i < Positions; ++i) {
#pragma GCC unroll 4
      for (int p = 0; p < Packets; ++p) eigen::pstoreu(to[i] + p * Lanes, sum[i][p]);
    }
  }
};

/// to[r, f] += sum over positions i of x[at(i) + r] * dy[i, f], for Rows rows r and Lanes * Packets columns f: the sum
/// first, in the order of the positions. Rows of dy lie together, those of to are `columns` elements apart.
template <class S, int Lanes, int Packets, int Rows, class At>
[[gnu::always_inline]] inline void outer_tile(std::ptrdiff_t positions, At at, S const* x, S const* dy, S* to,
                                              std::ptrdiff_t columns) {
  namespace eigen = Eigen::internal;
  using vector = typename packet<S, Lanes>::type;
  vector sum[extent(Rows)][extent(Packets)];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < Packets; ++p) sum[r][p] = eigen::pset1<vector>(S(0));
  }
  // As in window_tile.
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < Packets; ++p) __builtin_prefetch(to + r * columns + p * Lanes, 1, 2);
  }
  for (std::ptrdiff_t i = 0; i < positions; ++i, dy += Lanes * Packets) {
    S const* const left = opaque(x + at(i));
    vector right[extent(Packets)];
#pragma GCC unroll 4
    for (int p = 0; p < Packets; ++p) right[p] = eigen::ploadu<vector>(dy + p * Lanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      vector const one = eigen::pset1<vector>(left[r]);
#pragma GCC unroll 4
      for (int p = 0; p < Packets; ++p) sum[r][p] = eigen::pmadd(one, right[p], sum[r][p]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < Packets; ++p) {
      S* const out = to + r * columns + p * Lanes;
      eigen::pstoreu(out, eigen::padd(eigen::ploadu<vector>(out), sum[r][p]));
    }
  }
}

}  // namespace foal::device::host_ops
