#include <foal/core/error.hpp>

#include <catch2/catch.hpp>

TEST_CASE("A requirement that fails throws the sentence, one that holds does nothing", "[core]") {
  CHECK_NOTHROW(foal::require(true, "cannot ", 1));
  std::string const three = "three";
  CHECK_THROWS_WITH(
      foal::require(false, "cannot share ", 2, " apples, because ", three, " people ask; find ", 1.5F, " more"),
      "cannot share 2 apples, because three people ask; find 1.5 more");
  CHECK_THROWS_AS(foal::require(false, "x"), foal::error);
  CHECK_THROWS_AS(foal::require(false, "x"), std::runtime_error);
}

TEST_CASE("A sentence joins its parts", "[core]") {
  CHECK(foal::sentence("stage ", 3, ' ', -7LL, " of ", 0.25) == "stage 3 -7 of 0.25");
}
