// Register tiles by the processor's file of vector registers: how much of a result a kernel holds in them.
#pragma once

#include <cstddef>

#include <foal/device/host/packet.hpp>

namespace foal::device::host_ops {

/// A kernel's tile is rows x packets vectors of sums, in registers while it goes along the depth. A step loads `packets`
/// vectors of the right operand and, row after row, one element of the left that it broadcasts: rows + packets loads for
/// rows * packets multiply-adds. Cores do two of each in a cycle, with a latency of 4, so a shape wants 8 sums or more, few
/// loads for each, and registers for sums, vectors and the broadcast. Columns are tiled by `most_packets` as far as they
/// go, then by ever fewer.
///
/// What a panel's vectors come from counts, too: a step of p packets and r rows asks the second cache for 64 p bytes in
/// r p / 2 cycles of a core with two multipliers of 64 bytes: 21 a cycle at 4 x 6, 32 at 4 x 4, of which Intel's cores get
/// less than they can use (products of 128 rows at 0.80 and 0.75 of the multiply-adds' rate).
///
/// | registers | packets x rows: sums, loads for each |
/// | --- | --- |
/// | 32 (AVX-512, of 64 bytes) | 4 x 6: 24, 0.42; 2 x 8: 16, 0.63; 1 x 8: 8, 1.13 |
/// | 16 of 32 bytes (AVX2) | 3 x 4: 12, 0.58; 2 x 6: 12, 0.67; 1 x 8: 8, 1.13 |
/// | 16 of 16 bytes (SSE2) | 2 x 6: 12, 0.67; 1 x 8: 8, 1.13: without fused multiply-adds a product needs a register too |
struct tile_shapes {
  static constexpr bool narrow = full_lanes<float> <= 4;
  static constexpr int most_packets = many_registers ? 4 : narrow ? 2 : 3;
  static constexpr int fewer(int packets) { return packets == 3 ? 2 : packets / 2; }
  static constexpr int rows(int packets) {
    if (many_registers) return packets == 4 ? 6 : 8;
    return packets == 3 ? 4 : packets == 2 ? 6 : 8;
  }

  /// Whether the next tile of `left` rows is one of this many. 8 rows are 4 and 4, not 6 and 2, and 9 are 4, 4 and 1.
  static constexpr bool fits(int rows, std::ptrdiff_t left) {
    return left >= rows && (rows != 6 || (left != 8 && left != 9));
  }

  /// Whether the first tile of a panel of the right operand stores what it loads, for the others to find it together: a
  /// panel of 96 bytes takes two lines of each row, and half of them come for two panels.
  static constexpr bool stores_beside = !many_registers && !narrow;

  /// A tile of dot products is 4 rows x this many columns: the vectors of both operands are in registers as well.
  static constexpr int dot_columns = many_registers ? 4 : narrow ? 2 : 3;
};

}  // namespace foal::device::host_ops
