// Text to numbers and back, by characters and by bytes.
#include <foal/text/alphabet.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include <foal/core/error.hpp>

using namespace foal::text;
using ids = std::vector<std::int32_t>;

TEST_CASE("an alphabet numbers the characters of a text") {
  alphabet const a = alphabet::of("zwölf\nöz ö");
  CHECK(a.vocabulary().size() == 4 + 7);
  CHECK(a.encode("öz") == ids{4, 5});
  CHECK(a.decode(a.encode("zwölf\nö")) == "zwölf\nö");
  CHECK(a.encode("q") == ids{unk});
  CHECK(a.decode(ids{bos, 5, unk, eos}) == "z\xEF\xBF\xBD");
}

TEST_CASE("bytes are numbers") {
  CHECK(byte_alphabet::encode("\xFF") == ids{259});
  CHECK(byte_alphabet::encode(std::string(1, '\0')) == ids{4});
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  CHECK(byte_alphabet::decode(byte_alphabet::encode(every)) == every);
  CHECK(byte_alphabet::decode(ids{bos, 4 + 'a', eos}) == "a");
  CHECK_THROWS_AS(byte_alphabet::decode(ids{260}), foal::error);
}

TEST_CASE("a number that no character has is refused") {
  alphabet const a = alphabet::of("ab");
  CHECK_THROWS_AS(a.decode(ids{6}), foal::error);
  CHECK_THROWS_AS(a.decode(ids{-5, 4}), foal::error);
}

TEST_CASE("an empty text has an empty alphabet") {
  alphabet const none = alphabet::of("");
  CHECK(none.vocabulary().size() == first_token);
  CHECK(none.encode("").empty());
  CHECK(none.decode(ids{}).empty());
}
