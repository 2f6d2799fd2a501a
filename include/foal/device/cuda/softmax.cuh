// Softmax cross-entropy and mean squared error on the GPU, each with its gradient in one pass: a block a row.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <foal/device/cuda/reduce.cuh>
#include <foal/device/loss_sums.hpp>

namespace foal::device::cuda_ops {

// Evaluated by the host compiler: a kernel cannot call numeric_limits.
inline constexpr double undefined = std::numeric_limits<double>::quiet_NaN();
template <class S>
inline constexpr S lowest = -std::numeric_limits<S>::infinity();

/// An entry of a row and where it stands.
template <class S>
struct candidate {
  S value;
  int at;
};

/// The larger; of equals the first; NaN is larger than nothing.
struct larger {
  template <class S>
  __device__ candidate<S> operator()(candidate<S> a, candidate<S> b) const {
    bool const second = b.value > a.value || (b.value == a.value && b.at < a.at);
    return second ? b : a;
  }
};

template <class S>
__global__ void softmax_cross_entropy_kernel(int rows, int cols, S const* x, std::int32_t const* target, double smoothing,
                                             double divide, S* dx, loss_sums* part) {
  int const lane = static_cast<int>(threadIdx.x), lanes = static_cast<int>(blockDim.x);
  double const spread = smoothing / cols;
  double total = 0;
  long long correct = 0, counted = 0;
  for (int r = static_cast<int>(blockIdx.x); r < rows; r += static_cast<int>(gridDim.x)) {
    S const* const row = x + static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
    std::int32_t const wanted = target[r];
    if (wanted == ignored_target) {  // the same for all threads of the block
      if (dx != nullptr) {
        S* const out = dx + static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
        for (int j = lane; j < cols; j += lanes) out[j] = S(0);
      }
      continue;
    }
    ++counted;
    bool const known = wanted >= 0 && wanted < cols;

    candidate<S> mine{lowest<S>, lane < cols ? lane : cols};
    for (int j = lane; j < cols; j += lanes) mine = larger{}(mine, candidate<S>{row[j], j});
    candidate<S> const largest = block_reduce(mine, larger{});
    S const top = largest.value;  // subtracted before exp, so that nothing overflows

    double sum = 0, linear = 0;
    for (int j = lane; j < cols; j += lanes) {
      S const shifted = row[j] - top;
      sum += static_cast<double>(std::exp(shifted));
      linear += static_cast<double>(shifted);
    }
    sum = block_reduce(sum, add{});
    linear = block_reduce(linear, add{});

    // Without smoothing a class of probability 0 has x_j = -inf, and 0 * -inf must not reach the loss.
    double loss = undefined;
    if (known) {
      loss = std::log(sum) - (1 - smoothing) * static_cast<double>(row[wanted] - top);
      if (smoothing != 0) loss -= spread * linear;
    }
    total += loss;
    if (known && largest.at == wanted && !isnan(loss)) ++correct;
    if (dx == nullptr) continue;
    S* const out = dx + static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
    for (int j = lane; j < cols; j += lanes) {
      double const q = spread + (j == wanted ? 1 - smoothing : 0.0);
      double const gradient = (static_cast<double>(std::exp(row[j] - top)) / sum - q) / divide;
      out[j] = static_cast<S>(known ? gradient : loss);
    }
  }
  if (lane != 0) return;
  part[blockIdx.x] = {total, correct, counted};
}

template <class S>
__global__ void mean_squared_error_kernel(int rows, int cols, S const* x, S const* target, double divide, S* dx,
                                          loss_sums* part) {
  double total = 0;
  long long counted = 0;
  for (int r = static_cast<int>(blockIdx.x); r < rows; r += static_cast<int>(gridDim.x), ++counted) {
    std::size_t const at = static_cast<std::size_t>(r) * static_cast<std::size_t>(cols);
    double sum = 0;
    for (int j = static_cast<int>(threadIdx.x); j < cols; j += static_cast<int>(blockDim.x)) {
      std::size_t const i = at + static_cast<std::size_t>(j);
      double const difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
      sum += difference * difference;
      if (dx != nullptr) dx[i] = static_cast<S>(2 * difference / cols / divide);
    }
    total += block_reduce(sum, add{}) / cols;
  }
  if (threadIdx.x != 0) return;
  part[blockIdx.x] = {total, 0, counted};
}

/// Blocks of a loss over so many rows: block b has rows b, b + blocks, ...
inline unsigned loss_blocks(int rows) { return static_cast<unsigned>(std::clamp(rows, 1, static_cast<int>(most_parts))); }

/// *to = the sum of part[0 .. blocks). One block.
template <class Sums>
__global__ void sum_of_losses_kernel(unsigned blocks, Sums const* part, Sums* to) {
  Sums const own = threadIdx.x < blocks ? part[threadIdx.x] : Sums{};
  double const sum = block_reduce(own.sum, add{});
  long long const correct = block_reduce(own.correct, add{}), counted = block_reduce(own.counted, add{});
  if (threadIdx.x == 0) *to = {sum, correct, counted};
}

inline void sum_losses(cudaStream_t stream, unsigned blocks, loss_sums const* part, loss_sums* to) {
  launch("sum_of_losses", stream, 1, sum_of_losses_kernel<loss_sums>, blocks, part, to);
}

/// Cross-entropy of softmax(x) over rows of x [rows, cols], as host_ops::cross_entropy_ops has it; dx may be null. part:
/// most_parts entries, on the GPU as all the rest.
template <class S>
void softmax_cross_entropy(cudaStream_t stream, int rows, int cols, S const* x, std::int32_t const* target, double smoothing,
                           double divide, S* dx, loss_sums* part, loss_sums* to) {
  launch("softmax_cross_entropy", stream, loss_blocks(rows), softmax_cross_entropy_kernel<S>, rows, cols, x, target,
         smoothing, divide, dx, part);
  sum_losses(stream, loss_blocks(rows), part, to);
}

/// Per row the mean over cols of (x - target)^2, as host_ops::squared_error_ops has it; dx may be null.
template <class S>
void mean_squared_error(cudaStream_t stream, int rows, int cols, S const* x, S const* target, double divide, S* dx,
                        loss_sums* part, loss_sums* to) {
  launch("mean_squared_error", stream, loss_blocks(rows), mean_squared_error_kernel<S>, rows, cols, x, target, divide, dx,
         part);
  sum_losses(stream, loss_blocks(rows), part, to);
}

}  // namespace foal::device::cuda_ops
