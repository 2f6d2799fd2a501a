// Lines to numbers and back, by pieces of words.
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/subwords.hpp>

using namespace foal::text;
using ids = std::vector<std::int32_t>;

namespace {

word_counts const& counts() {
  static word_counts const result = [] {
    word_counts c;
    count_words("ein mann mit einem hut läuft , eine frau mit einem hund läuft .", c);
    return c;
  }();
  return result;
}

}  // namespace

TEST_CASE("decode inverts encode") {
  for (int const merges : {0, 5, 1000}) {
    subwords code = subwords::learn(counts(), merges);
    std::string const line = "ein hund mit hut , eine frau läuft mit einem mann .";
    INFO(merges << " merges");
    CHECK(code.decode(code.encode(line)) == line);
    CHECK(code.decode(code.encode("  frau \t hund ")) == "frau hund");
    CHECK(code.decode(code.encode("nieten")) == "nieten");  // a new word of known characters
    CHECK(code.encode("").empty());
    CHECK(code.encode(line) == code.encode(line));  // remembered words are the same words
  }
}

TEST_CASE("more merges make shorter lines") {
  subwords few = subwords::learn(counts(), 0), many = subwords::learn(counts(), 1000);
  CHECK(few.encode("läuft einem").size() == 10);
  CHECK(many.encode("läuft einem").size() == 2);
}

TEST_CASE("a word with a character never seen is one unk") {
  subwords code = subwords::learn(counts(), 1000);
  CHECK(code.encode("xylophon") == ids{unk});
  ids const line = code.encode("ein x läuft");
  REQUIRE(line.size() > 2);
  CHECK(code.decode(line) == "ein <unk> läuft");
}

TEST_CASE("decoding ends at eos and leaves padding and bos out") {
  subwords code = subwords::learn(counts(), 1000);
  ids const mann = code.encode("mann");
  ids line = {bos, pad};
  line.insert(line.end(), mann.begin(), mann.end());
  line.insert(line.end(), {eos, mann[0]});
  CHECK(code.decode(line) == "mann");
  CHECK(code.decode(ids{}) == "");
  CHECK_THROWS_AS(code.decode(ids{code.vocabulary().size()}), foal::error);
}

TEST_CASE("the vocabulary counts pieces as they occur, and holds every piece") {
  subwords const code = subwords::learn({{"aab", 3}, {"b", 2}}, 1);
  // The pairs (a,a) and (a,b_) occur 3 times each; (a,a) has the smaller bytes. aab is aa b_, so b_ is there 5 times.
  CHECK(code.merges().merges() == std::vector<merge>{{"a", "a"}});
  vocabulary const& v = code.vocabulary();
  CHECK(v.size() == 4 + 5);
  CHECK(v.id("b ") == 4);
  CHECK(v.count(4) == 5);
  CHECK(v.id("aa") == 5);
  CHECK(v.count(5) == 3);
  CHECK(v.count(v.id("a")) == 0);
  CHECK(v.knows("a "));
  CHECK(v.knows("b"));
}

TEST_CASE("merges whose pieces the vocabulary lacks are refused") {
  subwords const code = subwords::learn(counts(), 20);
  CHECK_NOTHROW(subwords(code.merges(), code.vocabulary()));
  auto const message = [&](vocabulary const& v) -> std::string {
    try {
      subwords(code.merges(), v, "corpus");
    } catch (foal::error const& e) {
      return e.what();
    }
    return "";
  };
  CHECK(message(vocabulary()).find("cannot encode with corpus, because merge 0 of '") == 0);
  // Whatever a merge takes or makes is missed.
  for (merge const& m : code.merges().merges())
    for (std::string const& piece : {m.left, m.right, m.left + m.right}) {
      word_counts pieces;
      for (std::int32_t i = first_token; i < code.vocabulary().size(); ++i)
        if (code.vocabulary().token(i) != piece) pieces[code.vocabulary().token(i)] = 1;
      std::string const text = message(vocabulary::from_counts(pieces));
      INFO(text);
      CHECK(text.find("needs '" + piece + "', which the vocabulary of ") != std::string::npos);
    }
  CHECK(message(subwords::learn({{"lower", 3}, {"lowest", 2}}, 4).vocabulary()).find("; give the vocabulary") !=
        std::string::npos);
}
