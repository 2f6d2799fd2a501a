// Perplexity: examples that were computed by hand.
#include <foal/text/perplexity.hpp>

#include <catch2/catch.hpp>
#include <cmath>

#include <foal/core/error.hpp>

using foal::text::perplexity;

TEST_CASE("perplexity of a fair choice among eight is eight") {
  CHECK(perplexity(5 * std::log(8.0), 5) == Approx(8));
  CHECK(perplexity(0, 3) == 1);
  CHECK_THROWS_AS(perplexity(1, 0), foal::error);
}
