#include <foal/core/utf8.hpp>

#include <catch2/catch.hpp>

TEST_CASE("The length of a UTF-8 sequence", "[core]") {
  CHECK(foal::utf8_sequence("") == 0);
  CHECK(foal::utf8_sequence("a") == 1);
  CHECK(foal::utf8_sequence("\xC2\x80") == 2);
  CHECK(foal::utf8_sequence("\xE2\x82\xAC.") == 3);
  CHECK(foal::utf8_sequence("\xF4\x8F\xBF\xBF") == 4);
  for (char const* broken :
       {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80"})
    CHECK(foal::utf8_sequence(broken) == 0);
}

TEST_CASE("Controls are told from text", "[core]") {
  for (char const* control : {"\x01", "\n", "\x1b", "\x7f", "\xC2\x80", "\xC2\x9B", "\xC2\x9F"})
    CHECK(foal::is_control(control));
  for (char const* plain : {"", " ", "~", "\xC2\xA0", "\xC3\x9B", "\xE2\x82\xAC"}) CHECK_FALSE(foal::is_control(plain));
}

TEST_CASE("Every byte can be printed", "[core]") {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::string const shown = foal::printable(all);
  for (char const c : shown) CHECK((c >= ' ' && c <= '~'));
  CHECK(shown.find("\\x1b") != std::string::npos);
  CHECK(shown.find("\\xff") != std::string::npos);
  CHECK(foal::printable(shown) == shown);
}
