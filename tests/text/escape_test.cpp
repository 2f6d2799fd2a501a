// Tokens escaped for files of lines.
#include <foal/text/escape.hpp>

#include <catch2/catch.hpp>
#include <string>

#include <foal/core/error.hpp>
#include <foal/text/words.hpp>

using namespace foal::text;

TEST_CASE("any token can be written into a line and read back") {
  for (std::string const& token :
       {std::string("man "), std::string("\\_"), std::string(" \t\n\r\\"), std::string("ü"), std::string("a\0\0b0", 5)}) {
    std::string const text = escaped(token);
    CHECK(words(text).size() == 1);
    CHECK(unescaped(text, "here") == token);
  }
  CHECK(escaped(std::string(1, '\0')) == "\\0");
  CHECK(escaped("a b\\") == "a\\_b\\\\");
  CHECK_THROWS_AS(unescaped("a\\", "here"), foal::error);
  CHECK_THROWS_AS(unescaped("\\x", "here"), foal::error);
}
