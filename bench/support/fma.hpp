// How fast this core multiplies and adds when nothing but registers takes part: the ceiling that products are measured by.
#pragma once

#include <cstddef>

#include <foal/core/registers.hpp>

#include "paired.hpp"

namespace bench {

/// Flops a second of independent chains of fused multiply-adds in float, of the widest vectors that the compiler may use,
/// over some milliseconds of processor time.
[[gnu::noinline]] inline double fma_rate(long long rounds = 1 << 20) {
  using vector [[gnu::vector_size(foal::register_bytes)]] = float;
  constexpr int chains = 12;
  constexpr int lanes = foal::register_bytes / sizeof(float);
  vector sum[chains];
  for (int i = 0; i < chains; ++i) sum[i] = vector{} + static_cast<float>(i);
  vector factor = vector{} + 0.5f, term = vector{} + 1.0f;
  double const begin = cpu_seconds();
  for (long long r = 0; r < rounds; ++r) {
#if !defined(__CUDACC__)  // nvcc's own compiler does not know it
#pragma GCC unroll 16
#endif
    for (int i = 0; i < chains; ++i) sum[i] = sum[i] * factor + term;
    asm volatile("" : "+x"(factor), "+x"(term));  // so that no round is known before it runs
  }
  double const seconds = cpu_seconds() - begin;
  for (int i = 1; i < chains; ++i) sum[0] += sum[i];
  asm volatile("" : : "x"(sum[0]));
  return 2.0 * lanes * chains * static_cast<double>(rounds) / seconds;
}

}  // namespace bench
