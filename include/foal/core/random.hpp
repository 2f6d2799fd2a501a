// Counter-based random numbers (Philox 4x32-10; Salmon, Moraes, Dror, Shaw: Parallel random numbers, SC 2011).
// A number is a function of (seed, purpose, layer, sample, element) and of nothing else: not of ranks, workers, the
// microbatch size or the device.
#pragma once

#include <cstdint>

#include <foal/core/config.hpp>

namespace foal {

/// What random numbers are for; streams of different purposes never meet.
enum class purpose : std::uint32_t { weights = 1, dropout = 2, order = 3, augment = 4, synthetic = 5, link = 6, user = 64 };

/// Names one stream of random numbers.
struct random_key {
  std::uint64_t seed = 0;
  purpose use = purpose::user;
  std::uint32_t layer = 0;   ///< global layer number in the model
  std::uint64_t sample = 0;  ///< ordinal of the sample in the run (at most 2^40)
};

struct random_block {
  std::uint32_t word[4];
};

/// Philox 4x32-10: 128 random bits for block number `block` of the stream `key`.
FOAL_HOST_DEVICE constexpr random_block random_bits(random_key const& key, std::uint32_t block) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key.seed);
  std::uint32_t k1 = static_cast<std::uint32_t>(key.seed >> 32U);
  std::uint32_t c0 = block;
  std::uint32_t c1 = static_cast<std::uint32_t>(key.sample);
  std::uint32_t c2 = key.layer;
  std::uint32_t c3 = (static_cast<std::uint32_t>(key.sample >> 32U) << 8U) | static_cast<std::uint32_t>(key.use);
  for (int round = 0; round < 10; ++round) {
    std::uint64_t const p0 = std::uint64_t{0xD2511F53U} * c0;
    std::uint64_t const p1 = std::uint64_t{0xCD9E8D57U} * c2;
    std::uint32_t const n0 = static_cast<std::uint32_t>(p1 >> 32U) ^ c1 ^ k0;
    std::uint32_t const n2 = static_cast<std::uint32_t>(p0 >> 32U) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return {{c0, c1, c2, c3}};
}

/// 32 random bits for one element of the stream.
FOAL_HOST_DEVICE constexpr std::uint32_t random_word(random_key const& key, std::uint32_t element) {
  return random_bits(key, element / 4U).word[element % 4U];
}

/// A number in [0, 1) with 24 random bits: exact in float, so equal for every scalar type and device.
FOAL_HOST_DEVICE constexpr float random_unit(random_key const& key, std::uint32_t element) {
  return static_cast<float>(random_word(key, element) >> 8U) * 0x1p-24F;
}

}  // namespace foal
