// A minibatch that is larger than the data is refused with all numbers.
#include "examples/options/minibatches.hpp"

#include <catch2/catch.hpp>

TEST_CASE("an epoch has whole minibatches, one at least") {
  CHECK(options::minibatches_per_epoch(100, 8, 4) == 3);
  CHECK(options::minibatches_per_epoch(32, 8, 4) == 1);
  CHECK_THROWS_WITH(
      options::minibatches_per_epoch(31, 8, 4),
      Catch::StartsWith("cannot train on 31 samples, because a minibatch is 4 microbatches of 8 = 32 samples;"));
  CHECK_THROWS_WITH(options::minibatches_per_epoch(31, 1000000, 1000000), Catch::Contains("= 1000000000000 samples"));
}
