// Layer normalisation on the GPU: a warp a row.
#pragma once

#include <cmath>
#include <cstddef>

#include <foal/device/cuda/launch.cuh>

namespace foal::device::cuda_ops {

inline constexpr int warp_lanes = 32;
inline constexpr int block_warps = static_cast<int>(block_threads) / warp_lanes;

/// The sum over the lanes of a warp, by halves; every lane gets its bits.
template <class T>
__device__ T warp_sum(T value) {
  for (int apart = warp_lanes / 2; apart > 0; apart /= 2) value += __shfl_xor_sync(0xffffffffU, value, apart);
  return value;
}

/// Blocks that give each row a warp, up to most_blocks.
inline unsigned blocks_of_warps(int rows) {
  return blocks_for(static_cast<std::size_t>(rows) * static_cast<std::size_t>(warp_lanes));
}

/// Where a warp begins, and from row to row.
struct warp_rows {
  int first, step, lane;
  __device__ warp_rows() {
    first = static_cast<int>(blockIdx.x) * block_warps + static_cast<int>(threadIdx.x) / warp_lanes;
    step = static_cast<int>(gridDim.x) * block_warps;
    lane = static_cast<int>(threadIdx.x) % warp_lanes;
  }
};

template <class S>
__global__ void __launch_bounds__(block_threads)
    layer_normalise_kernel(int rows, int channels, double epsilon, S const* x, S const* scale, S const* shift, S* normal,
                           S* inverse, S* y) {
  warp_rows const here;
  for (int r = here.first; r < rows; r += here.step) {
    std::size_t const at = static_cast<std::size_t>(r) * static_cast<std::size_t>(channels);
    double const origin = static_cast<double>(x[at]);  // distances from it, as moments() takes them
    double sum = 0, squares = 0;
    for (int c = here.lane; c < channels; c += warp_lanes) {
      double const distance = static_cast<double>(x[at + static_cast<std::size_t>(c)]) - origin;
      sum += distance;
      squares += distance * distance;
    }
    sum = warp_sum(sum) / channels;
    double const spread = warp_sum(squares) / channels - sum * sum;
    S const mean = static_cast<S>(origin + sum);
    S const by = static_cast<S>(1 / sqrt((spread < 0 ? 0 : spread) + epsilon));
    if (here.lane == 0 && normal != nullptr) inverse[r] = by;
    for (int c = here.lane; c < channels; c += warp_lanes) {
      std::size_t const i = at + static_cast<std::size_t>(c);
      S const value = (x[i] - mean) * by;
      if (normal != nullptr) normal[i] = value;
      y[i] = value * scale[c] + shift[c];
    }
  }
}

/// Each row of x [rows, channels] normalised, as the host has it. normal and inverse [rows] may both be null. y may be x.
template <class S>
void layer_normalise(cudaStream_t stream, int rows, int channels, double epsilon, S const* x, S const* scale, S const* shift,
                     S* normal, S* inverse, S* y) {
  if (rows > 0 && channels > 0)
    launch("layer_normalise", stream, blocks_of_warps(rows), layer_normalise_kernel<S>, rows, channels, epsilon, x, scale,
           shift, normal, inverse, y);
}

template <class S>
__global__ void __launch_bounds__(block_threads)
    layer_normalise_gradient_kernel(int rows, int channels, S const* dy, S const* normal, S const* inverse, S const* scale,
                                    S* dx) {
  warp_rows const here;
  for (int r = here.first; r < rows; r += here.step) {
    std::size_t const at = static_cast<std::size_t>(r) * static_cast<std::size_t>(channels);
    double sum = 0, sum_normal = 0;
    for (int c = here.lane; c < channels; c += warp_lanes) {
      std::size_t const i = at + static_cast<std::size_t>(c);
      double const slope = static_cast<double>(dy[i]) * static_cast<double>(scale[c]);
      sum += slope;
      sum_normal += slope * static_cast<double>(normal[i]);
    }
    S const mean = static_cast<S>(warp_sum(sum) / channels), along = static_cast<S>(warp_sum(sum_normal) / channels);
    S const by = inverse[r];
    for (int c = here.lane; c < channels; c += warp_lanes) {
      std::size_t const i = at + static_cast<std::size_t>(c);
      dx[i] = by * (dy[i] * scale[c] - mean - normal[i] * along);
    }
  }
}

/// Its gradient, as the host has it. dx may be dy.
template <class S>
void layer_normalise_gradient(cudaStream_t stream, int rows, int channels, S const* dy, S const* normal, S const* inverse,
                              S const* scale, S* dx) {
  if (rows > 0 && channels > 0)
    launch("layer_normalise_gradient", stream, blocks_of_warps(rows), layer_normalise_gradient_kernel<S>, rows, channels, dy,
           normal, inverse, scale, dx);
}

}  // namespace foal::device::cuda_ops
