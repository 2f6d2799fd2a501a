#include <foal/core/random.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <initializer_list>
#include <set>

using foal::purpose;
using foal::random_key;

namespace {

/// A stream whose block 0 has the counter (0, c1, c2, c3), in the words of the Philox paper.
constexpr random_key counter(std::uint64_t k0, std::uint64_t k1, std::uint64_t c1, std::uint32_t c2, std::uint64_t c3) {
  return {k1 << 32U | k0, static_cast<purpose>(c3 & 0xFFU), c2, (c3 >> 8U) << 32U | c1};
}

constexpr bool equal(foal::random_block const& block, std::initializer_list<std::uint32_t> words) {
  int i = 0;
  for (std::uint32_t const w : words)
    if (block.word[i++] != w) return false;
  return true;
}

}  // namespace

TEST_CASE("Philox 4x32-10 gives the known answers of the Random123 distribution", "[core]") {
  // kat_vectors: counter, key, answer
  STATIC_REQUIRE(equal(foal::random_bits(counter(0, 0, 0, 0, 0), 0), {0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U}));
  STATIC_REQUIRE(
      equal(foal::random_bits(counter(0xffffffffU, 0xffffffffU, 0xffffffffU, 0xffffffffU, 0xffffffffU), 0xffffffffU),
            {0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU}));
  STATIC_REQUIRE(
      equal(foal::random_bits(counter(0xa4093822U, 0x299f31d0U, 0x85a308d3U, 0x13198a2eU, 0x03707344U), 0x243f6a88U),
            {0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U}));
}

TEST_CASE("Elements are the words of consecutive blocks", "[core]") {
  random_key const key{7, purpose::dropout, 3, 11};
  for (std::uint32_t e = 0; e < 40; ++e) CHECK(foal::random_word(key, e) == foal::random_bits(key, e / 4).word[e % 4]);
}

TEST_CASE("Every part of a key makes a stream of its own", "[core]") {
  random_key const base{1, purpose::weights, 0, 0};
  std::set<std::uint32_t> seen;
  int asked = 0;
  auto const ask = [&](random_key const& key) {
    for (std::uint32_t e = 0; e < 8; ++e, ++asked) seen.insert(foal::random_word(key, e));
  };
  ask(base);
  for (int bit = 0; bit < 64; ++bit) {
    random_key other = base;
    other.seed ^= std::uint64_t{1} << bit;
    ask(other);
  }
  for (int bit = 0; bit < 32; ++bit) {
    random_key other = base;
    other.layer ^= std::uint32_t{1} << bit;
    ask(other);
  }
  for (int bit = 0; bit < 40; ++bit) {  // samples up to 2^40
    random_key other = base;
    other.sample ^= std::uint64_t{1} << bit;
    ask(other);
  }
  for (purpose const use : {purpose::dropout, purpose::order, purpose::augment, purpose::synthetic, purpose::user}) {
    random_key other = base;
    other.use = use;
    ask(other);
  }
  // 1,136 words out of 2^32: a collision by chance has probability 1.5e-4; equal streams would collide surely.
  CHECK(static_cast<int>(seen.size()) == asked);
}

TEST_CASE("Units are uniform from 0 to 1 and multiples of 2^-24", "[core]") {
  random_key const key{42, purpose::user, 5, 123456789};
  int const n = 100000;
  double sum = 0, squares = 0, product = 0, before = 0.5;
  for (int i = 0; i < n; ++i) {
    float const unit = foal::random_unit(key, static_cast<std::uint32_t>(i));
    REQUIRE(unit >= 0.0F);
    REQUIRE(unit < 1.0F);
    double const scaled = std::ldexp(static_cast<double>(unit), 24);
    REQUIRE(scaled == std::floor(scaled));
    double const u = static_cast<double>(unit);
    sum += u;
    squares += u * u;
    product += (u - 0.5) * (before - 0.5);
    before = u;
  }
  // five standard deviations of the mean, of the mean square, and of the lag-1 covariance
  CHECK(std::abs(sum / n - 0.5) < 5 * 0.2887 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1.0 / 3) < 5 * 0.2981 / std::sqrt(n));
  CHECK(std::abs(product / n) < 5.0 / 12 / std::sqrt(n));
}
