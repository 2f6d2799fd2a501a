#include <foal/report/build.hpp>

#include <catch2/catch.hpp>

TEST_CASE("A build names its compiler and what decides on bits", "[report]") {
  std::string const text = foal::report::build_of_this_file();
  INFO(text);
#ifdef __clang__
  CHECK_THAT(text, Catch::StartsWith("clang++ "));
#else
  CHECK_THAT(text, Catch::StartsWith("g++ "));
#endif
  CHECK_THAT(text, Catch::Contains("optimised"));
  double const volatile x = 1 + 0x1p-30;
  double const one = x, square = x * x;
  CHECK(square == 1 + 0x1p-29);  // rounded, where nothing is added
  bool const contracted = one * one - (1 + 0x1p-29) != 0;
  CHECK_THAT(text, Catch::Contains(contracted ? ", products contracted" : ", products not contracted"));
}

TEST_CASE("A machine has a name of one line", "[report]") {
  std::string const text = foal::report::this_machine();
  INFO(text);
  CHECK(text.size() > 2);
  CHECK(foal::printable(text) == text);
  CHECK(text == foal::report::this_machine());
}
