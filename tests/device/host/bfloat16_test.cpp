#include <foal/device/host/bfloat16.hpp>

#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <foal/core/random.hpp>

namespace {

using foal::device::host_ops::bfloat16_ops;

float stored(float x) {
  std::uint16_t y = 0;
  bfloat16_ops::narrow(1, &x, &y);
  float z = 0;
  bfloat16_ops::widen(1, &y, &z);
  return z;
}

}  // namespace

TEST_CASE("bfloat16 has eight bits of mantissa and rounds ties to even", "[bfloat16]") {
  CHECK(stored(1.0F) == 1.0F);
  CHECK(stored(1.0F + 0x1p-8F) == 1.0F);            // halfway: 1 is even
  CHECK(stored(1.0F + 0x3p-8F) == 1.0F + 0x1p-6F);  // halfway: the upper neighbour is even
  CHECK(stored(1.0F + 0x1p-8F + 0x1p-20F) == 1.0F + 0x1p-7F);
  CHECK(stored(1.0F + 0x1p-8F - 0x1p-20F) == 1.0F);
  CHECK(stored(-3.14159265F) == -3.140625F);
  CHECK(stored(1.99999F) == 2.0F);  // carries into the exponent
  CHECK(std::signbit(stored(-0.0F)));
  CHECK(stored(0x1p-133F) == 0x1p-133F);  // the smallest
  CHECK(stored(0x1p-134F) == 0.0F);       // halfway to it
}

TEST_CASE("Infinities stay, too large values become infinite, NaN stays NaN", "[bfloat16]") {
  float const infinity = std::numeric_limits<float>::infinity();
  CHECK(stored(infinity) == infinity);
  CHECK(stored(-infinity) == -infinity);
  CHECK(stored(std::numeric_limits<float>::max()) == infinity);
  CHECK(stored(0x1.FEp127F) == 0x1.FEp127F);  // the largest
  for (std::uint32_t bits : {0x7F800001U, 0x7FFFFFFFU, 0xFF800001U, 0xFFFFFFFFU, 0x7FC00000U, 0x7F80FFFFU})
    CHECK(std::isnan(stored(std::bit_cast<float>(bits))));
}

TEST_CASE("What is stored once is stored exactly again", "[bfloat16]") {
  std::vector<std::uint16_t> all(65536), again(65536);
  std::vector<float> wide(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  bfloat16_ops::widen(all.size(), all.data(), wide.data());
  bfloat16_ops::narrow(all.size(), wide.data(), again.data());
  long long changed = 0;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] != again[i]) changed += std::isnan(wide[i]) ? (std::isnan(stored(wide[i])) ? 0 : 1) : 1;
  CHECK(changed == 0);
}

TEST_CASE("The nearest stored value is taken, at any place of an array of any length", "[bfloat16]") {
  for (std::size_t n : {1U, 7U, 16U, 33U, 1000U}) {
    std::vector<float> x(n), z(n);
    std::vector<std::uint16_t> y(n);
    foal::random_key const key{1, foal::purpose::user, 0, n};
    for (std::size_t i = 0; i < n; ++i) {
      std::uint32_t bits = foal::random_word(key, static_cast<std::uint32_t>(i));
      if ((bits >> 23U & 0xFFU) >= 0xFEU) bits &= 0xBFFFFFFFU;  // far from the largest
      x[i] = std::bit_cast<float>(bits);
    }
    bfloat16_ops::narrow(n, x.data(), y.data());
    bfloat16_ops::widen(n, y.data(), z.data());
    for (std::size_t i = 0; i < n; ++i) {
      auto const neighbour = [&](int step) {
        return static_cast<double>(
            std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::uint16_t>(y[i] + step)) << 16U));
      };
      double const error = std::abs(static_cast<double>(x[i]) - static_cast<double>(z[i]));
      if ((y[i] & 0x7FFFU) == 0) continue;  // zero: its lower neighbour has the other sign
      CHECK(error <= std::abs(static_cast<double>(x[i]) - neighbour(1)));
      CHECK(error <= std::abs(static_cast<double>(x[i]) - neighbour(-1)));
    }
  }
}
