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

TEST_CASE("A sample has as many elements as an int counts, or is refused", "[tensor]") {
  using Catch::Contains;
  CHECK(foal::image(46340, 46340, 1).size() == 2147395600);
  CHECK_THROWS_WITH(foal::image(65536, 65536, 1),
                    Contains("cannot make a sample of 65536 x 65536 x 1 x 1 elements, because these are 4294967296"));
  CHECK_THROWS_WITH(foal::image(2147483647, 2147483647, 2147483647), Contains("because these are 18446744073709551615"));
  CHECK_THROWS_WITH(foal::sequence(512, 4194304), Contains("because these are 2147483648 where at most 2147483647"));
  CHECK_THROWS_WITH(foal::with_channels(foal::image(1, 32768, 32768), 2), Contains("because these are 2147483648"));
  CHECK(foal::image(65536, 0, 65536).size() == 0);
}

TEST_CASE("A microbatch has as many positions as its lengths say, and a ragged one is as one sample", "[tensor]") {
  using foal::at_length;
  using foal::samples_at;
  using foal::sequence;
  constexpr foal::lengths_of_axes padded{{5, 3}}, ragged{{17, 0}, true};
  STATIC_REQUIRE(at_length(sequence(4, 9, 1), padded) == sequence(4, 5, 1));
  STATIC_REQUIRE(at_length(sequence(4, 9, 2), padded) == sequence(4, 3, 2));
  STATIC_REQUIRE(at_length(sequence(4, 9), padded) == sequence(4, 9));
  STATIC_REQUIRE(at_length(sequence(4, 9, 1), {}) == sequence(4, 9, 1));
  STATIC_REQUIRE(at_length(sequence(4, 9, 1), ragged) == sequence(4, 17, 1));
  STATIC_REQUIRE(at_length(sequence(4, 9, 2), ragged).size() == 0);  // every sample is empty there
  STATIC_REQUIRE(samples_at(sequence(4, 9, 1), padded, 6) == 6);
  STATIC_REQUIRE(samples_at(sequence(4, 9, 1), ragged, 6) == 1);
  STATIC_REQUIRE(samples_at(foal::features(1), ragged, 6) == 6);
}
