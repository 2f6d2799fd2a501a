#include <foal/tensor/shape.hpp>

#include <catch2/catch.hpp>

TEST_CASE("Shapes know their extents and differ by rank", "[tensor]") {
  STATIC_REQUIRE(foal::features(12).size() == 12);
  STATIC_REQUIRE(foal::image(3, 5, 7).size() == 105);
  STATIC_REQUIRE(foal::image(3, 5, 7).channels() == 3);
  STATIC_REQUIRE(foal::image(3, 5, 7).height() == 5);
  STATIC_REQUIRE(foal::image(3, 5, 7).width() == 7);
  STATIC_REQUIRE(foal::image(3, 5, 7) == foal::image(3, 5, 7));
  STATIC_REQUIRE(foal::image(3, 5, 7) != foal::image(3, 7, 5));
  STATIC_REQUIRE(foal::features(12) != foal::image(12, 1, 1));  // as many numbers, but flatten stands between them
}
