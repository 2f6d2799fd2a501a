// Softmax over a vocabulary that comes part by part, on the GPU: a block a row.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <foal/device/cuda/embedding.cuh>
#include <foal/device/cuda/reduce.cuh>
#include <foal/device/cuda/softmax.cuh>
#include <foal/device/loss_sums.hpp>

namespace foal::device::cuda_ops {

template <class S>
inline constexpr S least_finite = std::numeric_limits<S>::lowest();

/// log(e^a + e^b).
__device__ inline double log_of_both(double a, double b) {
  double const top = a > b ? a : b, least = a > b ? b : a;
  return isinf(top) ? a + b : top + log1p(exp(least - top));
}

template <class S>
__global__ void __launch_bounds__(block_threads)
    join_scores_kernel(int rows, vocabulary_part part, S const* target, S const* before, S* z, S* after, S* share) {
  using column = joined_scores;
  int const lane = static_cast<int>(threadIdx.x), lanes = static_cast<int>(blockDim.x);
  for (int r = static_cast<int>(blockIdx.x); r < rows; r += static_cast<int>(gridDim.x)) {
    S* const row = z + static_cast<std::size_t>(r) * static_cast<std::size_t>(part.count);
    S const* const old = before == nullptr ? nullptr : before + static_cast<std::size_t>(r) * column::columns;
    int const wanted = row_in_part(part, target[r]);

    candidate<S> mine{lowest<S>, lane < part.count ? lane : part.count};
    double total = 0;
    for (int j = lane; j < part.count; j += lanes) {
      mine = larger{}(mine, candidate<S>{row[j], j});
      total += static_cast<double>(row[j]);
    }
    candidate<S> const largest = block_reduce(mine, larger{});
    total = block_reduce(total, add{});
    S const top = largest.value;
    S const base = top < least_finite<S> ? S(0) : top;  // all are -inf: another part has the softmax
    S const here = wanted < 0 ? S(0) : row[wanted];
    __syncthreads();  // before the row is written

    double sum = 0;
    for (int j = lane; j < part.count; j += lanes) {
      row[j] = std::exp(row[j] - base);
      sum += static_cast<double>(row[j]);
    }
    sum = block_reduce(sum, add{});
    if (lane != 0) continue;
    bool const larger_here = old == nullptr || top > old[column::largest];
    double log_sum = static_cast<double>(base) + std::log(sum);
    double const log_before = old == nullptr ? 0 : static_cast<double>(old[column::log_sum]);
    if (old != nullptr) log_sum = log_of_both(log_before, log_sum);
    S* const now = after + static_cast<std::size_t>(r) * column::columns;
    S const largest_token = larger_here ? static_cast<S>(part.first + largest.at) : old[column::largest_token];
    S const most = larger_here ? top : old[column::largest];
    S const of_target = here + (old == nullptr ? S(0) : old[column::of_target]);
    double const all = total + (old == nullptr ? 0 : static_cast<double>(old[column::total]));
    now[column::log_sum] = static_cast<S>(log_sum);
    now[column::of_target] = of_target;
    now[column::total] = static_cast<S>(all);
    now[column::largest] = most;
    now[column::largest_token] = largest_token;
    std::size_t const two = 2 * static_cast<std::size_t>(r);
    share[two] = sum == 0 ? S(0) : static_cast<S>(exp(static_cast<double>(base) - log_sum));
    share[two + 1] = old == nullptr ? S(0) : static_cast<S>(exp(log_before - log_sum));
  }
}

/// after = before joined with the scores z [rows, part.count] of a part, as host_ops::vocabulary_ops has it.
template <class S>
void join_scores(cudaStream_t stream, int rows, vocabulary_part part, S const* target, S const* before, S* z, S* after,
                 S* share) {
  if (rows > 0)
    launch("join_scores", stream, std::min(static_cast<unsigned>(rows), most_blocks), join_scores_kernel<S>, rows, part,
           target, before, z, after, share);
}

template <class S>
__global__ void __launch_bounds__(block_threads)
    join_scores_gradient_kernel(int rows, vocabulary_part part, S const* target, S const* z, S const* share, S const* dafter,
                                S* dz, S* dbefore) {
  using column = joined_scores;
  int const lane = static_cast<int>(threadIdx.x), lanes = static_cast<int>(blockDim.x);
  for (int r = static_cast<int>(blockIdx.x); r < rows; r += static_cast<int>(gridDim.x)) {
    S const* const d = dafter + static_cast<std::size_t>(r) * column::columns;
    std::size_t const two = 2 * static_cast<std::size_t>(r);
    if (dz != nullptr) {
      std::size_t const at = static_cast<std::size_t>(r) * static_cast<std::size_t>(part.count);
      S const scale = d[column::log_sum] * share[two], all = d[column::total];
      int const wanted = row_in_part(part, target[r]);
      for (int j = lane; j < part.count; j += lanes) {
        std::size_t const i = at + static_cast<std::size_t>(j);
        S const slope = z[i] * scale + all;
        dz[i] = j == wanted ? slope + d[column::of_target] : slope;
      }
    }
    if (dbefore == nullptr || lane >= column::columns) continue;
    bool const of_largest = lane == column::largest || lane == column::largest_token;
    S const value = lane == column::log_sum ? d[lane] * share[two + 1] : d[lane];
    dbefore[static_cast<std::size_t>(r) * column::columns + static_cast<std::size_t>(lane)] = of_largest ? S(0) : value;
  }
}

/// The gradients of the part's scores and of what it was joined to, as host_ops::vocabulary_ops has them; either may be
/// null.
template <class S>
void join_scores_gradient(cudaStream_t stream, int rows, vocabulary_part part, S const* target, S const* z, S const* share,
                          S const* dafter, S* dz, S* dbefore) {
  if (rows > 0)
    launch("join_scores_gradient", stream, std::min(static_cast<unsigned>(rows), most_blocks),
           join_scores_gradient_kernel<S>, rows, part, target, z, share, dafter, dz, dbefore);
}

/// One block: a row has five numbers.
template <class S>
__global__ void __launch_bounds__(block_threads)
    joined_cross_entropy_kernel(int rows, int vocabulary, S const* x, std::int32_t const* target, double smoothing,
                                double divide, S* dx, loss_sums* to) {
  using column = joined_scores;
  double const spread = smoothing / vocabulary;
  double total = 0;
  long long correct = 0, counted = 0;
  for (int r = static_cast<int>(threadIdx.x); r < rows; r += static_cast<int>(blockDim.x)) {
    S const* const row = x + static_cast<std::size_t>(r) * column::columns;
    S slope[column::columns] = {};
    std::int32_t const wanted = target[r];
    bool const known = wanted >= 0 && wanted < vocabulary;
    if (wanted == ignored_target) {
    } else if (!known) {
      ++counted;
      total += undefined;
      for (S& s : slope) s = not_a_number<S>;
    } else {
      ++counted;
      double loss =
          static_cast<double>(row[column::log_sum]) - (1 - smoothing) * static_cast<double>(row[column::of_target]);
      // Without smoothing a token of probability 0 has a score of -inf, and 0 * -inf must not reach the loss.
      if (smoothing != 0) loss -= spread * static_cast<double>(row[column::total]);
      total += loss;
      if (row[column::largest_token] == static_cast<S>(wanted) && !isnan(loss)) ++correct;
      slope[column::log_sum] = static_cast<S>(1 / divide);
      slope[column::of_target] = static_cast<S>(-(1 - smoothing) / divide);
      slope[column::total] = static_cast<S>(-spread / divide);
    }
    if (dx == nullptr) continue;
    for (int c = 0; c < column::columns; ++c)
      dx[static_cast<std::size_t>(r) * column::columns + static_cast<std::size_t>(c)] = slope[c];
  }
  total = block_reduce(total, add{});
  correct = block_reduce(correct, add{});
  counted = block_reduce(counted, add{});
  if (threadIdx.x != 0) return;
  to->sum = total;
  to->correct = correct;
  to->counted = counted;
}

/// As softmax_cross_entropy, of the scores of all tokens joined (host_ops::vocabulary_ops); its sums go to *to, on the GPU.
/// dx may be null.
template <class S>
void joined_cross_entropy(cudaStream_t stream, int rows, int vocabulary, S const* x, std::int32_t const* target,
                          double smoothing, double divide, S* dx, loss_sums* to) {
  launch("joined_cross_entropy", stream, 1, joined_cross_entropy_kernel<S>, rows, vocabulary, x, target, smoothing, divide,
         dx, to);
}

}  // namespace foal::device::cuda_ops
