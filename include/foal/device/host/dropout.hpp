// Dropout on the host: the mask is a function of the random key, never stored.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <foal/core/random.hpp>

namespace foal::device::host_ops {

namespace detail {

/// word[4 i + j] = random_bits(key, first + i).word[j] for i < Blocks.
template <int Blocks>
void random_words(random_key const& key, std::uint32_t first, std::uint32_t* word);

template <>
inline void random_words<1>(random_key const& key, std::uint32_t first, std::uint32_t* word) {
  random_block const bits = random_bits(key, first);
  std::copy_n(bits.word, 4, word);
}

// nvcc does not know the shuffles.
#if defined(__AVX512F__) && !defined(__CUDACC__)

/// Two registers of blocks, so that one's multiplications hide the other's.
inline constexpr int random_blocks_at_once = 16;

template <>
inline void random_words<16>(random_key const& key, std::uint32_t first, std::uint32_t* word) {
  // A block to each 64-bit lane, its words in the lower halves: there both halves of a product are at hand.
  typedef std::uint64_t lanes [[gnu::vector_size(64)]];
  constexpr int registers = 2;
  constexpr std::uint64_t low = 0xFFFFFFFFU;
  lanes c0[registers], c1[registers], c2[registers], c3[registers];
  for (std::uint32_t i = 0; i < registers; ++i) {
    c0[i] = lanes{0, 1, 2, 3, 4, 5, 6, 7} + (first + 8 * i);
    c1[i] = lanes{} + (key.sample & low);
    c2[i] = lanes{} + key.layer;
    c3[i] = lanes{} + ((((key.sample >> 32U) << 8U) & low) | static_cast<std::uint32_t>(key.use));
  }
  auto k0 = static_cast<std::uint32_t>(key.seed);
  auto k1 = static_cast<std::uint32_t>(key.seed >> 32U);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 2
    for (int i = 0; i < registers; ++i) {
      lanes const p0 = (c0[i] & low) * std::uint64_t{0xD2511F53U};
      lanes const p1 = (c2[i] & low) * std::uint64_t{0xCD9E8D57U};
      c0[i] = (p1 >> 32U) ^ c1[i] ^ k0;  // the upper halves are left as they fall
      c2[i] = (p0 >> 32U) ^ c3[i] ^ k1;
      c1[i] = p1;
      c3[i] = p0;
    }
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
#pragma GCC unroll 2
  for (int i = 0; i < registers; ++i) {
    lanes const a = (c0[i] & low) | (c1[i] << 32U);
    lanes const b = (c2[i] & low) | (c3[i] << 32U);
    lanes const lower = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    lanes const upper = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    std::memcpy(word + 32 * i, &lower, sizeof lower);
    std::memcpy(word + 32 * i + 16, &upper, sizeof upper);
  }
}

#else

inline constexpr int random_blocks_at_once = 1;

#endif

}  // namespace detail

/// Random masks.
struct dropout_ops {
  /// y = x * scale where the 24 random bits of the element are at least `threshold`, else 0. x, y [samples, elements];
  /// sample i draws from the stream of key.sample + i, so the mask does not depend on how samples are cut into microbatches.
  /// y may be x.
  template <class S>
  static void dropout(int samples, int elements, random_key key, std::uint32_t threshold, S scale, S const* x, S* y) {
    dropout_from(samples, elements, key, threshold, scale, x, y, 0);
  }
  /// The same where `before` elements of each sample lie elsewhere, before those that are here.
  template <class S>
  static void dropout_from(int samples, int elements, random_key key, std::uint32_t threshold, S scale, S const* x, S* y,
                           std::ptrdiff_t before) {
    constexpr int chunk = 4 * detail::random_blocks_at_once;
    auto const first = static_cast<std::uint32_t>(before / 4);
    int const skip = static_cast<int>(before % 4);  // words that the first block has for elements before
    for (std::ptrdiff_t n = 0; n < samples; ++n, ++key.sample) {
      S const* const from = x + n * elements;
      S* const to = y + n * elements;
      for (int e = -skip; e < elements; e += chunk) {
        std::uint32_t word[chunk];
        detail::random_words<detail::random_blocks_at_once>(key, first + static_cast<std::uint32_t>(e + skip) / 4U, word);
        S value[chunk];  // apart from x and y, which may be the same
        int const begin = e < 0 ? skip : 0, here = std::min(chunk, elements - e);
        std::copy(from + e + begin, from + e + here, value + begin);
        for (int i = begin; i < here; ++i) value[i] = (word[i] >> 8U) >= threshold ? value[i] * scale : S(0);
        std::copy(value + begin, value + here, to + e + begin);
      }
    }
  }
};

}  // namespace foal::device::host_ops
