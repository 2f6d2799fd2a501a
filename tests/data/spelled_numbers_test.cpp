// Numbers in words: known ones of both languages, and the parts of the corpus.
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/data/spelled_numbers.hpp>

using namespace foal::data;

TEST_CASE("numbers in English") {
  std::pair<int, char const*> const known[] = {
      {0, "zero"},
      {1, "one"},
      {12, "twelve"},
      {13, "thirteen"},
      {20, "twenty"},
      {40, "forty"},
      {99, "ninety-nine"},
      {100, "one hundred"},
      {101, "one hundred and one"},
      {312, "three hundred and twelve"},
      {1000, "one thousand"},
      {1001, "one thousand and one"},
      {1045, "one thousand and forty-five"},
      {1100, "one thousand one hundred"},
      {21000, "twenty-one thousand"},
      {100000, "one hundred thousand"},
      {110311, "one hundred and ten thousand three hundred and eleven"},
      {999999, "nine hundred and ninety-nine thousand nine hundred and ninety-nine"},
  };
  for (auto const& [n, words] : known) CHECK(spelled_english(n) == words);
}

TEST_CASE("numbers in German") {
  std::pair<int, char const*> const known[] = {
      {0, "null"},
      {1, "eins"},
      {2, "zwei"},
      {12, "zwölf"},
      {16, "sechzehn"},
      {17, "siebzehn"},
      {20, "zwanzig"},
      {21, "einundzwanzig"},
      {30, "dreißig"},
      {66, "sechsundsechzig"},
      {77, "siebenundsiebzig"},
      {100, "einhundert"},
      {101, "einhunderteins"},
      {111, "einhundertelf"},
      {121, "einhunderteinundzwanzig"},
      {312, "dreihundertzwölf"},
      {1000, "eintausend"},
      {1001, "eintausendeins"},
      {1984, "eintausendneunhundertvierundachtzig"},
      {21000, "einundzwanzigtausend"},
      {100000, "einhunderttausend"},
      {101000, "einhunderteintausend"},
      {101101, "einhunderteintausendeinhunderteins"},
      {999999, "neunhundertneunundneunzigtausendneunhundertneunundneunzig"},
  };
  for (auto const& [n, words] : known) CHECK(spelled_german(n) == words);
}

TEST_CASE("every number has words of its own") {
  std::set<std::string> english, german;
  for (int n = 0; n <= 30000; ++n) {
    english.insert(spelled_english(n));
    german.insert(spelled_german(n));
  }
  CHECK(english.size() == 30001);
  CHECK(german.size() == 30001);
}

TEST_CASE("numbers without words are refused") {
  CHECK_THROWS_AS(spelled_english(-1), foal::error);
  CHECK_THROWS_AS(spelled_german(1'000'000), foal::error);
}

TEST_CASE("the corpus pairs the same number, and its parts share none") {
  spelled_corpus const corpus = spelled_numbers({.train = 700, .validation = 150, .test = 151, .most = 1000});
  std::set<std::string> seen;
  for (parallel_text const* part : {&corpus.train, &corpus.validation, &corpus.test})
    for (std::size_t i = 0; i < part->size(); ++i) CHECK(seen.insert(part->source[i]).second);
  CHECK(seen.size() == 1001);
  int pairs = 0;
  for (int n = 0; n <= 1000; ++n)
    for (std::size_t i = 0; i < corpus.test.size(); ++i)
      if (corpus.test.source[i] == spelled_english(n)) {
        CHECK(corpus.test.target[i] == spelled_german(n));
        ++pairs;
      }
  CHECK(pairs == 151);
}

TEST_CASE("the corpus is a function of the seed") {
  spelling const small{.train = 20, .validation = 5, .test = 5};
  CHECK(spelled_numbers(small).train.source == spelled_numbers(small).train.source);
  spelling other = small;
  other.seed = 2;
  CHECK(spelled_numbers(small).train.source != spelled_numbers(other).train.source);
  // Pinned, so that results of different builds can be compared.
  CHECK(spelled_numbers(small).train.source[0] == "ninety-four thousand one hundred and twenty-three");
}

TEST_CASE("lines of several numbers are sums in both languages") {
  spelled_corpus const corpus = spelled_numbers({.train = 400, .validation = 50, .test = 50, .terms = 3});
  int count[4] = {};
  auto const terms = [](std::string const& line) {
    int n = 1;
    for (std::size_t at = line.find(" plus "); at != std::string::npos; at = line.find(" plus ", at + 1)) ++n;
    return n;
  };
  for (std::size_t i = 0; i < corpus.train.size(); ++i) {
    int const n = terms(corpus.train.source[i]);
    REQUIRE(n == terms(corpus.train.target[i]));
    REQUIRE(n <= 3);
    ++count[n];
  }
  for (int const n : {1, 2, 3}) CHECK(count[n] > 90);
}

TEST_CASE("a corpus that the numbers do not suffice for is refused") {
  CHECK_THROWS_AS(spelled_numbers({.train = 90, .validation = 10, .test = 1, .most = 99}), foal::error);
  CHECK_THROWS_AS(spelled_numbers({.train = 40, .validation = 5, .test = 6, .most = 99, .terms = 2}), foal::error);
  CHECK_THROWS_AS(spelled_numbers({.train = 0}), foal::error);
  CHECK_THROWS_WITH(spelled_numbers({.most = 1'000'000}),
                    Catch::Contains("cannot use spelling, because its most is 1000000"));
}
