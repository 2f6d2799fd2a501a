// Products that do not wrap.
#include <foal/core/checked.hpp>

#include <array>
#include <catch2/catch.hpp>
#include <vector>

using foal::saturating_product;
using foal::saturating_size;

TEST_CASE("a product that does not fit is the largest number") {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max(), half = std::uint64_t{1} << 32U;
  STATIC_REQUIRE(saturating_product(6, 7) == 42);
  STATIC_REQUIRE(saturating_product(half, half) == most);
  STATIC_REQUIRE(saturating_product(half, half - 1) == half * (half - 1));
  STATIC_REQUIRE(saturating_product(most, 1) == most);
  STATIC_REQUIRE(saturating_product(most, 0) == 0);
  STATIC_REQUIRE(saturating_product(0, most) == 0);
}

TEST_CASE("extents that wrap round to a small size, or to zero, do not") {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  STATIC_REQUIRE(saturating_size(std::array{2, 3, 4}, 8) == 192);
  STATIC_REQUIRE(saturating_size(std::array<int, 0>{}, 8) == 8);
  CHECK(saturating_size(std::vector<long long>{1LL << 62U, 4}) == most);
  CHECK(saturating_size(std::vector<long long>{1LL << 62U, 1}, 4) == most);
  CHECK(saturating_size(std::vector<long long>{1LL << 62U, 4, 0}, 4) == 0);
  CHECK(saturating_size(std::vector<std::uint64_t>{most, most}) == most);
}
