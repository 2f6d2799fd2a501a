// Words and how often they occur.
#include <catch2/catch.hpp>
#include <string_view>
#include <vector>

#include <foal/text/words.hpp>

using namespace foal::text;
using views = std::vector<std::string_view>;

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
