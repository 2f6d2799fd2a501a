// T3's epochs leave one to train asynchronously.
#include "examples/t3/epochs.hpp"

#include <catch2/catch.hpp>

TEST_CASE("T3 takes what was asked for, or what is usual, and leaves an epoch") {
  CHECK(t3::epochs(-1, 5, 30, "--warmup") == 5);
  CHECK(t3::epochs(-1, 5, 6, "--warmup") == 5);
  CHECK(t3::epochs(-1, 5, 5, "--warmup") == 4);
  CHECK(t3::epochs(-1, 5, 1, "--warmup") == 0);
  CHECK(t3::epochs(3, 5, 4, "--warmup") == 3);
  CHECK(t3::epochs(0, 5, 1, "--warmup") == 0);
}

TEST_CASE("a warm-up that was asked for and takes the whole run is refused") {
  using Catch::Contains;
  CHECK_THROWS_WITH(t3::epochs(3, 1, 1, "--warmup"),
                    Contains("cannot warm up for 3 epochs, because the run has 1") && Contains("--warmup of at most 0"));
  CHECK_THROWS_AS(t3::epochs(4, 1, 4, "--warmup"), foal::error);
}
