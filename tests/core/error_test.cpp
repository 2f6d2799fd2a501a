#include <foal/core/error.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>

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

TEST_CASE("Numbers in sentences have six significant digits, as in an output stream", "[core]") {
  CHECK(foal::sentence(1.0 / 3, ' ', 1e-7, ' ', 123456789.0, ' ', -0.0F, ' ', 1e300) ==
        "0.333333 1e-07 1.23457e+08 -0 1e+300");
  CHECK(foal::sentence(std::numeric_limits<double>::infinity(), ' ', std::numeric_limits<float>::quiet_NaN()) == "inf nan");
  CHECK(foal::sentence(~0ULL, ' ', std::numeric_limits<long long>::min(), ' ', std::uint8_t{65}, ' ', true, ' ', 3U) ==
        "18446744073709551615 -9223372036854775808 65 1 3");
  CHECK(foal::sentence().empty());
  CHECK(foal::sentence(std::string("a"), std::string_view("b"), "", 'c') == "abc");
}

TEST_CASE("What controls a terminal is shown, not sent", "[core]") {
  CHECK(foal::sentence("cannot read '", std::string("a\x1b[2J\x07"), "'") == "cannot read 'a\\x1b[2J\\x07'");
  CHECK(foal::sentence(std::string("two\nlines\r\t"), '\x7f') == "two\\nlines\\r\\t\\x7f");
  CHECK(foal::sentence("\xC2\x9B", "31m \xFF \xE2\x82") == "\\xc2\\x9b31m \\xff \\xe2\\x82");
  CHECK(foal::sentence(std::string_view("\0", 1)) == "\\x00");
  CHECK(foal::sentence("\xE2\x82\xAC \xC3\xA9 C:\\x") == "\xE2\x82\xAC \xC3\xA9 C:\\x");
  CHECK(foal::sentence(foal::sentence("\x1b")) == "\\x1b");  // once is enough
  CHECK_THROWS_WITH(foal::require(false, "no ", std::string("\x1b]0;title\x07")), "no \\x1b]0;title\\x07");
}
