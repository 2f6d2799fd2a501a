// Characters of UTF-8, and bytes that are none.
#include <foal/text/utf8.hpp>

#include <catch2/catch.hpp>
#include <string_view>
#include <vector>

using namespace foal::text;
using views = std::vector<std::string_view>;

static_assert(character_length("a") == 1);
static_assert(character_length("\xC3\xBC") == 2);
static_assert(character_length("\xE2\x82\xAC!") == 3);
static_assert(character_length("\xF0\x9F\x90\xB4") == 4);
static_assert(character_length("") == 0);

TEST_CASE("text is cut into characters, bytes that are not UTF-8 one by one") {
  CHECK(characters("zwölf") == views{"z", "w", "ö", "l", "f"});
  CHECK(characters("\xC3") == views{"\xC3"});                    // cut off
  CHECK(characters("\xC3z") == views{"\xC3", "z"});              // not continued
  CHECK(characters("\xFF\x80") == views{"\xFF", "\x80"});        // never a beginning
  CHECK(characters("\xE2\x82z") == views{"\xE2", "\x82", "z"});  // continued once of twice
}
