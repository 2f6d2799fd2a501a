// Kernels around convolutions: matrices turned, patches gathered from maps and added back.
#pragma once

#include <cstddef>

#include <foal/device/cuda/launch.cuh>
#include <foal/device/window.hpp>

namespace foal::device::cuda_ops {

inline constexpr unsigned turn_tile = 32;

struct keep_element {
  template <class S>
  __device__ void operator()(S const& x, S& y) const {
    y = x;
  }
};

/// A block a tile at a time, through shared memory, so that both matrices are read and written row by row.
template <bool Add, class Convert, class In, class Out>
__global__ void turn_kernel(unsigned rows, unsigned cols, Convert convert, In const* in, Out* out) {
  __shared__ In tile[turn_tile][turn_tile + 1];
  unsigned const across = (cols + turn_tile - 1) / turn_tile, down = (rows + turn_tile - 1) / turn_tile;
  unsigned const x = threadIdx.x % turn_tile, y = threadIdx.x / turn_tile, step = blockDim.x / turn_tile;
  for (unsigned t = blockIdx.x; t < across * down; t += gridDim.x) {
    unsigned const row = t / across * turn_tile, col = t % across * turn_tile;
    for (unsigned i = y; i < turn_tile; i += step)
      if (row + i < rows && col + x < cols) tile[i][x] = in[std::size_t{row + i} * cols + col + x];
    __syncthreads();
    for (unsigned i = y; i < turn_tile; i += step) {
      if (col + i >= cols || row + x >= rows) continue;
      Out& to = out[std::size_t{col + i} * rows + row + x];
      Out value;
      convert(tile[x][i], value);
      to = Add ? static_cast<Out>(to + value) : value;
    }
    __syncthreads();
  }
}

/// out [cols, rows] = the transpose of in [rows, cols], or with Add out += it. convert(x, y): y = x in the type of out.
template <bool Add, class In, class Out, class Convert = keep_element>
void turn(cudaStream_t stream, int rows, int cols, In const* in, Out* out, Convert convert = {}) {
  auto const r = static_cast<unsigned>(rows), c = static_cast<unsigned>(cols);
  std::size_t const tiles = std::size_t{(r + turn_tile - 1) / turn_tile} * ((c + turn_tile - 1) / turn_tile);
  if (tiles == 0) return;
  launch("turn", stream, static_cast<unsigned>(tiles < most_blocks ? tiles : most_blocks),
         turn_kernel<Add, Convert, In, Out>, r, c, convert, in, out);
}

/// Patches of the positions [first, first + n / depth) of all samples, a row of depth elements each; zeros for the padding.
template <class S>
__global__ void gather_patches_kernel(window g, std::size_t first, std::size_t n, S const* x, S* patches) {
  auto const depth = static_cast<std::size_t>(g.depth()), positions = static_cast<std::size_t>(g.positions());
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    std::size_t const sample = (first + i / depth) / positions;
    int const position = static_cast<int>((first + i / depth) % positions), tap = static_cast<int>(i % depth) / g.channels;
    int const h = position / g.out_width() * g.stride - g.padding + tap / g.kernel;
    int const w = position % g.out_width() * g.stride - g.padding + tap % g.kernel;
    bool const inside = h >= 0 && h < g.height && w >= 0 && w < g.width;
    std::size_t const pixel =
        (sample * static_cast<std::size_t>(g.height) + static_cast<std::size_t>(h)) * static_cast<std::size_t>(g.width) +
        static_cast<std::size_t>(w);
    auto const channels = static_cast<std::size_t>(g.channels);
    patches[i] = inside ? x[pixel * channels + i % channels] : S(0);
  }
}

template <class S>
void gather_patches(cudaStream_t stream, window const& g, std::size_t first, std::size_t count, S const* x, S* patches) {
  std::size_t const n = count * static_cast<std::size_t>(g.depth());
  if (n != 0) launch("gather_patches", stream, blocks_for(n), gather_patches_kernel<S>, g, first, n, x, patches);
}

/// A thread an element of dx, of which it adds up all patches in the order of the window.
template <class S>
__global__ void add_patches_kernel(window g, std::size_t first, std::size_t count, std::size_t from, std::size_t n,
                                   S const* patches, S* dx) {
  auto const positions = static_cast<std::size_t>(g.positions()), depth = static_cast<std::size_t>(g.depth());
  auto const channels = static_cast<std::size_t>(g.channels), width = static_cast<std::size_t>(g.width);
  std::size_t const step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    std::size_t const pixel = (from + i) / channels, row = pixel / width;
    std::size_t const sample = row / static_cast<std::size_t>(g.height);
    int const h = static_cast<int>(row % static_cast<std::size_t>(g.height)), w = static_cast<int>(pixel % width);
    S sum(0);
    for (int kh = 0; kh < g.kernel; ++kh) {
      int const down = h + g.padding - kh;
      if (down < 0 || down % g.stride != 0 || down / g.stride >= g.out_height()) continue;
      for (int kw = 0; kw < g.kernel; ++kw) {
        int const right = w + g.padding - kw;
        if (right < 0 || right % g.stride != 0 || right / g.stride >= g.out_width()) continue;
        std::size_t const position =
            sample * positions + static_cast<std::size_t>(down / g.stride * g.out_width() + right / g.stride);
        if (position < first || position >= first + count) continue;
        sum += patches[(position - first) * depth + static_cast<std::size_t>(kh * g.kernel + kw) * channels +
                       (from + i) % channels];
      }
    }
    dx[from + i] += sum;
  }
}

/// dx += the patches of the positions [first, first + count) of all samples, each element where it was gathered from.
template <class S>
void add_patches(cudaStream_t stream, window const& g, std::size_t first, std::size_t count, S const* patches, S* dx) {
  if (count == 0) return;
  auto const positions = static_cast<std::size_t>(g.positions());
  auto const size =
      static_cast<std::size_t>(g.height) * static_cast<std::size_t>(g.width) * static_cast<std::size_t>(g.channels);
  std::size_t const from = first / positions * size, to = ((first + count - 1) / positions + 1) * size;
  launch("add_patches", stream, blocks_for(to - from), add_patches_kernel<S>, g, first, count, from, to - from, patches, dx);
}

}  // namespace foal::device::cuda_ops
