// Dropout on the host: the mask is a function of the random key, never stored.
#pragma once

#include <cstddef>
#include <cstdint>

#include <foal/core/random.hpp>

namespace foal::device::host_ops {

/// Random masks.
struct dropout_ops {
  /// y = x * scale where the 24 random bits of the element are at least `threshold`, else 0. x, y [samples, elements];
  /// sample i draws from the stream of key.sample + i, so the mask does not depend on how samples are cut into microbatches.
  /// y may be x.
  template <class S>
  static void dropout(int samples, int elements, random_key key, std::uint32_t threshold, S scale, S const* x, S* y) {
    for (std::ptrdiff_t n = 0; n < samples; ++n, ++key.sample) {
      S const* const from = x + n * elements;
      S* const to = y + n * elements;
      for (int e = 0; e < elements; e += 4) {
        random_block const bits = random_bits(key, static_cast<std::uint32_t>(e) / 4U);
        for (int i = 0; i < 4 && e + i < elements; ++i) {
          to[e + i] = (bits.word[i] >> 8U) >= threshold ? from[e + i] * scale : S(0);
        }
      }
    }
  }
};

}  // namespace foal::device::host_ops
