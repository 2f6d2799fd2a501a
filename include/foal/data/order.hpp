// The order of the samples of an epoch: a keyed permutation of [0, n), computed one index at a time without storage.
#pragma once

#include <bit>
#include <cstdint>

#include <foal/core/random.hpp>

namespace foal::data {

/// Which sample comes at position `index` of an epoch. For fixed (seed, epoch, n) a bijection of [0, n) onto itself; a
/// function of its arguments alone, so the same for every M, N, number of ranks or workers. Needs 0 <= index < n, epoch <
/// 2^40. O(1): no memory, fewer than two passes through the network on average (64 / n for n below 32).
///
/// An eight-round Feistel network on the smallest power of two, at least 64, that holds n, whose two halves may differ by a
/// bit, walked along its cycle until the result is below n (Black, Rogaway: Ciphers with arbitrary finite domains, CT-RSA
/// 2002).
constexpr long long shuffled(std::uint64_t seed, std::uint64_t epoch, long long n, long long index) {
  if (n <= 1) return 0;
  auto const needed = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n - 1)));
  int const bits = needed < 6 ? 6 : needed;  // with halves below 3 bits some orders come far too often
  int const low_bits = bits / 2;
  std::uint64_t const low_mask = (std::uint64_t{1} << low_bits) - 1;
  std::uint64_t const high_mask = (std::uint64_t{1} << (bits - low_bits)) - 1;
  random_key const key{seed, purpose::order, 0, epoch};
  random_block const keys[2] = {random_bits(key, 0), random_bits(key, 1)};
  auto const mix = [](std::uint64_t half, std::uint32_t round_key) {  // the finaliser of splitmix64 (Steele et al. 2014)
    std::uint64_t z = half + round_key * std::uint64_t{0x9E3779B97F4A7C15};
    z = (z ^ (z >> 30U)) * std::uint64_t{0xBF58476D1CE4E5B9};
    z = (z ^ (z >> 27U)) * std::uint64_t{0x94D049BB133111EB};
    return z ^ (z >> 31U);
  };
  auto value = static_cast<std::uint64_t>(index);
  do {
    std::uint64_t low = value & low_mask, high = value >> low_bits;
    for (int round = 0; round < 8; round += 2) {
      high ^= mix(low, keys[round / 4].word[round % 4]) & high_mask;
      low ^= mix(high, keys[round / 4].word[round % 4 + 1]) & low_mask;
    }
    value = (high << low_bits) | low;
  } while (value >= static_cast<std::uint64_t>(n));
  return static_cast<long long>(value);
}

}  // namespace foal::data
