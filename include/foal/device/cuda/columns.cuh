// Passes over matrices by columns on the GPU: elementwise with what a column has at hand, and sums over the rows of each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <foal/device/cuda/launch.cuh>

namespace foal::device::cuda_ops {

/// Elements that one access of 16 bytes moves.
template <class S>
inline constexpr int full_pack = static_cast<int>(16 / sizeof(S));

/// Neighbouring elements, moved at once: their address is a multiple of their size.
template <class S, int Width>
struct alignas(sizeof(S) * std::size_t{Width}) pack {
  S at[std::size_t{Width}];
};
template <int Width, class S>
__device__ pack<S, Width> load(S const* p) {
  return *reinterpret_cast<pack<S, Width> const*>(p);
}
template <class S, int Width>
__device__ void store(S* p, pack<S, Width> const& values) {
  *reinterpret_cast<pack<S, Width>*>(p) = values;
}

/// Whether rows of so many elements can be moved in full packs from and to these addresses; null has none.
template <class S, class... Ps>
bool packs(int columns, Ps const*... p) {
  return columns % full_pack<S> == 0 && (((reinterpret_cast<std::uintptr_t>(p) % 16) == 0) && ...);
}

/// How a grid lies over a matrix: blocks of `lanes` threads side by side, block_threads / lanes rows at once, for each of
/// `tiles` groups of columns; `parts` blocks share the rows of one.
struct column_grid {
  int lanes = 1, tiles = 1, parts = 1;
  unsigned blocks() const { return static_cast<unsigned>(tiles) * static_cast<unsigned>(parts); }
};

/// A thread has a group of columns and about `each` rows; most: of the parts.
inline column_grid grid_over(int rows, int groups, int each, int most) {
  column_grid g;
  while (g.lanes < 32 && g.lanes < groups) g.lanes *= 2;
  g.tiles = (groups + g.lanes - 1) / g.lanes;
  int const at_once = static_cast<int>(block_threads) / g.lanes;
  int const enough = std::max(1, static_cast<int>(most_blocks) / g.tiles);
  g.parts = std::clamp((rows - 1) / (at_once * each) + 1, 1, std::max(1, std::min(most, enough)));
  return g;
}

/// Where a thread of such a grid stands: its first column, and the rows first, first + step, ...
struct column_place {
  int column, first, step, part;
  __device__ column_place(column_grid g, int width) {
    int const thread = static_cast<int>(threadIdx.x), block = static_cast<int>(blockIdx.x);
    int const at_once = static_cast<int>(block_threads) / g.lanes;
    part = block / g.tiles;
    column = (block % g.tiles * g.lanes + thread % g.lanes) * width;
    first = part * at_once + thread / g.lanes;
    step = g.parts * at_once;
  }
};

template <class F>
__global__ void __launch_bounds__(block_threads) over_rows_kernel(int rows, int columns, column_grid g, F f) {
  column_place const at(g, F::width);
  if (at.column >= columns) return;
  auto const here = f.at(at.column);
  for (int r = at.first; r < rows; r += at.step)
    f(here, static_cast<std::size_t>(r) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(at.column));
}

/// Calls f(f.at(c), place) for each row and each F::width columns from c on, place: of the first in a row-major [rows,
/// columns]. columns: a multiple of F::width. No two calls may write to one place.
template <class F>
void over_rows(char const* what, cudaStream_t stream, int rows, int columns, F f) {
  if (rows <= 0 || columns <= 0) return;
  column_grid const g = grid_over(rows, columns / F::width, 4, rows);
  launch(what, stream, g.blocks(), over_rows_kernel<F>, rows, columns, g, f);
}

/// Doubles that column_sums has for sums of parts of the rows.
inline constexpr std::size_t most_column_parts = std::size_t{1} << 17U;

/// The sums of a block's rows joined in a tree. Gives whether this thread has those of its column.
template <int Count>
__device__ bool join_column(column_grid g, double* sum) {
  __shared__ double lane[std::size_t{Count}][block_threads];
  int const thread = static_cast<int>(threadIdx.x), own = thread / g.lanes;
  for (int k = 0; k < Count; ++k) lane[k][thread] = sum[k];
  __syncthreads();
  for (int step = static_cast<int>(block_threads) / g.lanes / 2; step > 0; step /= 2) {
    if (own < step)
      for (int k = 0; k < Count; ++k) lane[k][thread] += lane[k][thread + step * g.lanes];
    __syncthreads();
  }
  for (int k = 0; k < Count; ++k) sum[k] = lane[k][thread];
  return own == 0;
}

template <int Count, class Term, class Finish>
__global__ void __launch_bounds__(block_threads)
    column_sums_kernel(int rows, int columns, column_grid g, Term term, Finish finish, double* part) {
  column_place const at(g, 1);
  double sum[std::size_t{Count}] = {};
  if (at.column < columns) {
    auto const here = term.at(at.column);
    for (int r = at.first; r < rows; r += at.step)
      term(here, static_cast<std::size_t>(r) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(at.column), sum);
  }
  if (!join_column<Count>(g, sum) || at.column >= columns) return;
  if (g.parts == 1) return finish(at.column, sum);
  for (int k = 0; k < Count; ++k)
    part[(static_cast<std::size_t>(at.part) * Count + static_cast<std::size_t>(k)) * static_cast<std::size_t>(columns) +
         static_cast<std::size_t>(at.column)] = sum[k];
}

template <int Count, class Finish>
__global__ void __launch_bounds__(block_threads)
    column_finish_kernel(int parts, int columns, column_grid g, Finish finish, double const* part) {
  column_place const at(g, 1);
  double sum[std::size_t{Count}] = {};
  if (at.column < columns)
    for (int p = at.first; p < parts; p += at.step)
      for (int k = 0; k < Count; ++k)
        sum[k] +=
            part[(static_cast<std::size_t>(p) * Count + static_cast<std::size_t>(k)) * static_cast<std::size_t>(columns) +
                 static_cast<std::size_t>(at.column)];
  if (join_column<Count>(g, sum) && at.column < columns) finish(at.column, sum);
}

/// Calls finish(c, sums) for each column: sums[k] is the sum over rows of what term(term.at(c), place, sums) adds to it, in
/// double, in an order that the sizes give. part: most_column_parts doubles on the GPU, free again when it is done.
template <int Count, class Term, class Finish>
void column_sums(char const* what, cudaStream_t stream, int rows, int columns, Term term, Finish finish, double* part) {
  if (columns <= 0) return;
  std::size_t const most = most_column_parts / (static_cast<std::size_t>(columns) * Count);
  column_grid const g = grid_over(std::max(rows, 1), columns, 16, static_cast<int>(std::clamp<std::size_t>(most, 1, 512)));
  launch(what, stream, g.blocks(), column_sums_kernel<Count, Term, Finish>, rows, columns, g, term, finish, part);
  if (g.parts == 1) return;
  column_grid const last = grid_over(g.parts, columns, g.parts, 1);
  launch(what, stream, last.blocks(), column_finish_kernel<Count, Finish>, g.parts, columns, last, finish, part);
}

/// What has no state of its own column by column.
struct no_column_state {};

/// A way to finish: `count` sums are added to what is there.
template <class S>
struct add_column_sums {
  S* to[2];
  int count;
  __device__ void operator()(int c, double const* sum) const {
    for (int k = 0; k < count; ++k) to[k][c] += static_cast<S>(sum[k]);
  }
};

}  // namespace foal::device::cuda_ops
