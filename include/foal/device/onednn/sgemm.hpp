// Matrix products by oneDNN's sgemm in the one form in which it takes no memory of its own below AVX-512.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/device/onednn/library.hpp>

namespace foal::device::onednn_ops {

/// With more rows of a product sgemm may pack its operands, into a block that it allocates in each call.
inline constexpr int most_rows_of_sgemm = 256;

/// to = the transposed of rows x depth elements, whose rows are `down` apart.
inline void turn(float const* from, std::ptrdiff_t down, int rows, int depth, float* to) {
  constexpr int strip = 16;  // a line of the cache
  for (int d = 0; d < depth; d += strip) {
    int const n = std::min(strip, depth - d);
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < n; ++i) to[std::ptrdiff_t{d + i} * rows + r] = from[r * down + d + i];
  }
}

/// c = a b, or c += a b, of sizes above 0. a is depth x rows if a_is_turned, else rows x depth; b cols x depth if
/// b_is_turned.
///
/// An a that lies as it should not is turned into the scratch, block by block: 0.5 ns an element, 3 to 20 % of the product
/// with 512 to 64 columns. Without that, sgemm of AVX2 takes 16 KiB in each call.
inline void multiply_by_sgemm(library& with, bool a_is_turned, bool b_is_turned, int rows, int cols, int depth,
                              float const* a, float const* b, float* c, bool accumulate) {
  constexpr int block = 1 << 18;  // elements
  auto* const turned = a_is_turned ? nullptr : static_cast<float*>(with.scratch(block * sizeof(float)));
  int const rows_at_once = std::min(rows, most_rows_of_sgemm);
  int const depth_at_once = a_is_turned ? depth : std::min(depth, block / rows_at_once);
  for (int r = 0; r < rows; r += rows_at_once)
    for (int d = 0; d < depth; d += depth_at_once) {
      int const some_rows = std::min(rows_at_once, rows - r), some_depth = std::min(depth_at_once, depth - d);
      float const* left = a + r;  // a is not cut in depth where it lies right
      if (!a_is_turned) {
        turn(a + std::ptrdiff_t{r} * depth + d, depth, some_rows, some_depth, turned);
        left = turned;
      }
      float const* const right = b + (b_is_turned ? std::ptrdiff_t{d} : std::ptrdiff_t{d} * cols);
      check(dnnl_sgemm('T', b_is_turned ? 'T' : 'N', some_rows, cols, some_depth, 1.0F, left, a_is_turned ? rows : some_rows,
                       right, b_is_turned ? depth : cols, accumulate || d > 0 ? 1.0F : 0.0F, c + std::ptrdiff_t{r} * cols,
                       cols),
            "multiply matrices");
    }
}

}  // namespace foal::device::onednn_ops
