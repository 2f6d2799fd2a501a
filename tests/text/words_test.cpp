// Words, characters of UTF-8, and tokens escaped for files.
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/escape.hpp>
#include <foal/text/utf8.hpp>
#include <foal/text/words.hpp>

using namespace foal::text;
using views = std::vector<std::string_view>;

static_assert(character_length("a") == 1);
static_assert(character_length("\xC3\xBC") == 2);
static_assert(character_length("\xE2\x82\xAC!") == 3);
static_assert(character_length("\xF0\x9F\x90\xB4") == 4);
static_assert(character_length("") == 0);

TEST_CASE("words lie between whitespace") {
  CHECK(words("  a man ,\tdie\r\n") == views{"a", "man", ",", "die"});
  CHECK(words("").empty());
  CHECK(words(" \t ").empty());
  CHECK(words("x") == views{"x"});
  CHECK(words("f\xC2\xA0g") == views{"f\xC2\xA0g"});  // a space that is no ASCII does not separate
}

TEST_CASE("words are counted in the order of their bytes") {
  word_counts counts;
  count_words("b a b", counts);
  count_words("c b", counts);
  CHECK(counts == word_counts{{"a", 1}, {"b", 3}, {"c", 1}});
}

TEST_CASE("text is cut into characters, bytes that are not UTF-8 one by one") {
  CHECK(characters("zwölf") == views{"z", "w", "ö", "l", "f"});
  CHECK(characters("\xC3") == views{"\xC3"});                    // cut off
  CHECK(characters("\xC3z") == views{"\xC3", "z"});              // not continued
  CHECK(characters("\xFF\x80") == views{"\xFF", "\x80"});        // never a beginning
  CHECK(characters("\xE2\x82z") == views{"\xE2", "\x82", "z"});  // continued once of twice
}

TEST_CASE("any token can be written into a line and read back") {
  for (std::string const& token : {std::string("man "), std::string("\\_"), std::string(" \t\n\r\\"), std::string("ü")}) {
    std::string const text = escaped(token);
    CHECK(words(text).size() == 1);
    CHECK(unescaped(text, "here") == token);
  }
  CHECK(escaped("a b\\") == "a\\_b\\\\");
  CHECK_THROWS_AS(unescaped("a\\", "here"), foal::error);
  CHECK_THROWS_AS(unescaped("\\x", "here"), foal::error);
}
