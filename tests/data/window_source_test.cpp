// Windows over a text as sequences, against values written out by hand.
#include <foal/data/window_source.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include <foal/core/error.hpp>

#include "tests/support/sequences.hpp"

using foal::data::window_source;
using foal_test::entry;
using foal_test::target;
using ids = std::vector<std::int32_t>;
using values = std::vector<double>;

TEST_CASE("windows follow each other, and every token but the first is a target once") {
  window_source const s({10, 11, 12, 13, 14, 15, 16, 17}, {.length = 3});
  CHECK(s.size() == 3);
  CHECK(s.axes() == 1);
  CHECK(entry(s, 0, 0, 3) == values{10, 11, 12});
  CHECK(target(s, 0, 3) == ids{11, 12, 13});
  CHECK(entry(s, 1, 0, 3) == values{13, 14, 15});
  CHECK(target(s, 1, 3) == ids{14, 15, 16});
  CHECK(s.length(2, 1) == 1);  // the text ends in the last window
  CHECK(entry(s, 2, 0, 3) == values{16, 0, 0});
  CHECK(target(s, 2, 3) == ids{17, -100, -100});
  CHECK(s.weight(0) + s.weight(1) + s.weight(2) == 7);
}

TEST_CASE("windows may overlap") {
  window_source const s({10, 11, 12, 13, 14, 15}, {.length = 3, .stride = 1});
  CHECK(s.size() == 3);
  CHECK(entry(s, 1, 0, 3) == values{11, 12, 13});
  CHECK(target(s, 2, 3) == ids{13, 14, 15});
}

TEST_CASE("the number of windows is what covers the text") {
  for (int n = 2; n < 30; ++n)
    for (int length = 1; length < 8; ++length)
      for (int stride = 1; stride <= length; ++stride) {
        window_source const s(ids(static_cast<std::size_t>(n), 5), {.length = length, .stride = stride});
        long long const last = s.size() - 1;
        INFO(n << " tokens, length " << length << ", stride " << stride);
        REQUIRE(s.length(last, 1) >= 1);
        REQUIRE(last * stride + s.length(last, 1) == n - 1);
        REQUIRE((last == 0 || (last - 1) * stride + length < n - 1));
        REQUIRE(s.longest(1) == (length < n - 1 ? length : n - 1));
      }
}

TEST_CASE("the number of classes of a text is a number for every token that is taken") {
  CHECK(window_source({1, 2147483646}, {.length = 1}).classes() == 2147483647);
  CHECK_THROWS_AS(window_source({1, 2147483647}, {.length = 1}), foal::error);
}

TEST_CASE("windows that make no sense are refused") {
  CHECK_THROWS_AS(window_source({1}, {.length = 3}), foal::error);
  CHECK_THROWS_AS(window_source({1, 2}, {.length = 0}), foal::error);
  CHECK_THROWS_AS(window_source({1, 2}, {.length = 2, .stride = 3}), foal::error);
  CHECK_THROWS_AS(window_source({1, 9}, {.length = 1, .vocabulary = 9}), foal::error);
  CHECK_THROWS_AS(window_source({1, -1}, {.length = 1}), foal::error);
  CHECK_THROWS_WITH(window_source({1, 2}, {.length = 1, .vocabulary = -3}), Catch::Contains("its vocabulary is -3"));
}
