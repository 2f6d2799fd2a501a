// The next token of a text is a character, whatever the scores of the reserved numbers.
#include "examples/gpt/draw.hpp"

#include <catch2/catch.hpp>

TEST_CASE("reserved numbers are never drawn") {
  std::vector<float> const scores{9, 9, 9, 9, 1, 2, 0};  // pad, bos, eos, unk, then three characters
  CHECK(gpt::draw(scores, 0, 0.5) == 5);
  for (double const temperature : {1e-3, 0.8, 100.0})
    for (int i = 0; i < 100; ++i) {
      std::int32_t const token = gpt::draw(scores, temperature, i / 100.0);
      CHECK(token >= foal::text::first_token);
      CHECK(token < 7);
    }
}

TEST_CASE("tokens are drawn in proportion to exp of their scores over the temperature") {
  std::vector<float> const scores{0, 0, 0, 0, std::log(1.0F), std::log(2.0F), std::log(5.0F)};
  int count[3] = {};
  for (int i = 0; i < 800; ++i) ++count[gpt::draw(scores, 1, (i + 0.5) / 800) - foal::text::first_token];
  CHECK(count[0] == 100);
  CHECK(count[1] == 200);
  CHECK(count[2] == 500);
}
