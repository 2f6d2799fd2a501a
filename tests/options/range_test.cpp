// Ranges of numbers: what belongs to them, and how they are told.
#include "examples/options/range.hpp"

#include <catch2/catch.hpp>
#include <limits>

TEST_CASE("a range has its ends where it says so, and nothing that is not a number") {
  using namespace options;
  CHECK(share.has(0));
  CHECK(share.has(1));
  CHECK_FALSE(share_below_1.has(1));
  CHECK_FALSE(positive.has(0));
  CHECK(counted_from_0.has(0));
  CHECK_FALSE(counted.has(1.5));
  for (range const& r : {positive, not_negative, share, share_below_1, counted}) {
    CHECK_FALSE(r.has(std::numeric_limits<double>::quiet_NaN()));
    CHECK_FALSE(r.has(std::numeric_limits<double>::infinity()));
    CHECK_FALSE(r.has(-1));
  }
}

TEST_CASE("a range is told in a few words") {
  using options::range;
  CHECK(options::positive.text() == "a number above 0 and up to 1000000");
  CHECK(options::share.text() == "a number from 0 to 1");
  CHECK(options::share_below_1.text() == "a number of 0 or more and below 1");
  CHECK(options::counted.text() == "a whole number from 1 to 1000000");
  CHECK(range{0, 2.5, true, true}.text() == "a number above 0 and below 2.5");
}
