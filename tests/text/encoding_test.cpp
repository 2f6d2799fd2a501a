// What is text in UTF-8, and what is not.
#include <catch2/catch.hpp>
#include <string>

#include <foal/core/error.hpp>
#include <foal/text/encoding.hpp>

using foal::text::plain_text;

namespace {

std::string message(std::string const& bytes) {
  try {
    plain_text(bytes, "a.txt");
  } catch (foal::error const& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a byte order mark of UTF-8 is no text, one elsewhere is") {
  std::string const mark = "\xEF\xBB\xBF";
  CHECK(plain_text(mark + "a" + mark, "a.txt") == "a" + mark);
  CHECK(plain_text(mark, "a.txt").empty());
  CHECK(plain_text("", "a.txt").empty());
  CHECK(plain_text("\xEF\xBB", "a.txt") == "\xEF\xBB");
  CHECK(plain_text("l\xE4uft", "a.txt") == "l\xE4uft");  // not UTF-8, but text
}

TEST_CASE("UTF-16 and UTF-32 are refused") {
  for (std::string const& mark : {std::string("\xFF\xFE"), std::string("\xFE\xFF")})
    CHECK(message(mark + "a").find("cannot read a.txt, because it begins with the byte order mark of UTF-16") == 0);
  CHECK(message(std::string("\0a", 2)).find("its byte 0 is zero, as in UTF-16") != std::string::npos);
  CHECK(message(std::string("a\0", 2)).find("its byte 1 is zero") != std::string::npos);
  CHECK(message(std::string("\0\0\xFE\xFF", 4)).find("its byte 0 is zero") != std::string::npos);
}
