// Byte-pair encoding: the merges against a plain count over all words in every step, and encoding as the merges say.
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/text/bpe.hpp>
#include <foal/text/bpe_learner.hpp>
#include <foal/text/utf8.hpp>
#include <foal/text/words.hpp>

#include "tests/support/sanitized.hpp"

using namespace foal::text;

namespace {

using pieces = std::vector<std::string>;

pieces marked_characters(std::string const& word) {
  pieces result;
  for (std::string_view const c : characters(word)) result.emplace_back(c);
  result.back() += ' ';
  return result;
}

void merge_all(pieces& word, merge const& m) {
  pieces next;
  for (std::size_t i = 0; i < word.size(); ++i)
    if (i + 1 < word.size() && word[i] == m.left && word[i + 1] == m.right)
      next.push_back(m.left + m.right), ++i;
    else
      next.push_back(word[i]);
  word = next;
}

/// Sennrich et al. 2016, algorithm 1: counts all pairs anew in every step.
std::vector<merge> learn_plainly(word_counts const& counts, int merges) {
  std::vector<std::pair<pieces, long long>> words;
  for (auto const& [word, count] : counts) words.push_back({marked_characters(word), count});
  std::vector<merge> result;
  while (static_cast<int>(result.size()) < merges) {
    std::map<std::pair<std::string, std::string>, long long> pairs;
    for (auto const& [word, count] : words)
      for (std::size_t i = 0; i + 1 < word.size(); ++i) pairs[{word[i], word[i + 1]}] += count;
    auto best = pairs.begin();
    for (auto p = pairs.begin(); p != pairs.end(); ++p)
      if (p->second > best->second) best = p;
    if (best == pairs.end() || best->second < 2) break;
    merge const m{best->first.first, best->first.second};
    for (auto& [word, count] : words) merge_all(word, m);
    result.push_back(m);
  }
  return result;
}

/// Again and again the earliest learned merge that applies, everywhere.
pieces split_plainly(std::string const& word, std::vector<merge> const& merges) {
  pieces result = marked_characters(word);
  for (std::size_t m = 0; m < merges.size();) {
    std::size_t const before = result.size();
    merge_all(result, merges[m]);
    m = result.size() < before ? 0 : m + 1;  // what was made may have a merge that came earlier
  }
  return result;
}

std::string random_word(std::uint64_t number, char const* letters, std::uint32_t kinds, std::uint32_t longest = 9) {
  foal::random_key const key{7, foal::purpose::user, 0, number};
  std::string word;
  for (std::uint32_t i = 0, length = 1 + foal::random_word(key, 0) % longest; i < length; ++i)
    word += letters[foal::random_word(key, i + 1) % kinds];
  return word;
}

}  // namespace

TEST_CASE("the example of Sennrich et al. gives its merges") {
  // low 5, lower 2, newest 6, widest 3 (the paper's toy dictionary). By hand: e s 9, s t_ 9 and so on. The end-of-word mark
  // is part of the last character, so the pairs are (e,s) 9, (s,t_) 9: of equals the smaller bytes, e before s.
  word_counts const counts = {{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}};
  std::vector<merge> const expected = {{"e", "s"}, {"es", "t "}, {"l", "o"}, {"e", "w"}, {"ew", "est "}, {"n", "ewest "}};
  CHECK(learn_bpe(counts, 6).merges() == expected);
}

TEST_CASE("merges learned with incremental counts are those of the plain algorithm") {
  for (std::uint32_t const kinds : {2U, 3U, 6U}) {
    word_counts counts;
    for (std::uint64_t i = 0; i < 300; ++i)
      counts[random_word(i + 1000 * kinds, "abcdef", kinds)] += 1 + static_cast<long long>(i % 7);
    std::vector<merge> const plain = learn_plainly(counts, 150);
    INFO(kinds << " letters");
    CHECK(plain.size() > 50);
    CHECK(learn_bpe(counts, 150).merges() == plain);
  }
}

TEST_CASE("merges learned from long words are those of the plain algorithm") {
  for (std::uint64_t round = 0; round < 40; ++round) {
    word_counts counts;
    for (std::uint64_t i = 0; i < 3; ++i)
      counts[random_word(5000 + 3 * round + i, "abc", 1 + static_cast<std::uint32_t>(round % 3), 120)] +=
          1 + static_cast<long long>(i);
    INFO("round " << round);
    CHECK(learn_bpe(counts, 60).merges() == learn_plainly(counts, 60));
  }
}

TEST_CASE("a word is cut as the merges say, in any order of merges") {
  for (std::uint64_t round = 0; round < foal_test::repeats(200U, 30U); ++round) {
    auto const kinds = 1 + static_cast<std::uint32_t>(round % 3);
    // Learned merges, and merges in an order that no learning gives: a piece may have an earlier merge than its parts.
    word_counts counts;
    for (std::uint64_t i = 0; i < 20; ++i) counts[random_word(9000 + 20 * round + i, "abc", kinds, 30)] += 2;
    std::vector<merge> merges = learn_bpe(counts, 40).merges();
    if (round % 2 == 1) {
      std::uint32_t next = 0;
      foal::random_key const key{8, foal::purpose::user, 0, round};
      for (std::size_t i = merges.size(); i > 1; --i) std::swap(merges[i - 1], merges[foal::random_word(key, next++) % i]);
    }
    bpe const code(merges);
    for (std::uint64_t i = 0; i < 10; ++i) {
      std::string const word = random_word(70000 + 10 * round + i, "abc", kinds, 60);
      INFO("round " << round << ", " << word);
      REQUIRE(code.split(word) == split_plainly(word, merges));
    }
  }
}

TEST_CASE("the work of a long word grows as the word does") {
  std::string const long_word = [] {
    std::string all;
    for (std::uint64_t i = 0; all.size() < 20000; ++i) all += random_word(i, "abcd", 4);
    return all;
  }();
  for (std::string const& word : {std::string(20000, 'a'), long_word}) {
    auto const n = static_cast<long long>(word.size());
    foal::text::detail::bpe_learner learner({{word, 2}});
    std::vector<merge> merges;
    while (merges.size() < 500 && learner.step(merges)) {
    }
    CHECK(merges.size() > 10);
    CHECK(learner.looked_at() < 20 * n);  // each merge went through the whole word: 500 n

    std::map<std::pair<int, int>, int> ranks;
    std::map<std::string, int> symbols;
    std::vector<int> made;
    auto const symbol = [&](std::string const& text) {
      return symbols.emplace(text, static_cast<int>(symbols.size())).first->second;
    };
    for (merge const& m : merges) {
      ranks[{symbol(m.left), symbol(m.right)}] = static_cast<int>(made.size());
      made.push_back(symbol(m.left + m.right));
    }
    std::vector<foal::text::detail::piece> cut;
    std::size_t at = 0;
    for (std::string const& c : marked_characters(word)) cut.push_back({symbol(c), at, at + c.size()}), at += c.size();
    long long asked = 0;
    foal::text::detail::merge_pieces(
        cut,
        [&](int left, int right) {
          ++asked;
          auto const found = ranks.find({left, right});
          return found == ranks.end() ? foal::text::detail::no_merge : found->second;
        },
        [&](int rank) { return made[static_cast<std::size_t>(rank)]; });
    CHECK(asked < 3 * n);
    CHECK(cut.size() == bpe(merges).split(word).size());
  }
}

TEST_CASE("learning stops where no pair occurs twice") {
  CHECK(learn_bpe({{"abc", 1}, {"def", 1}}, 100).merges().empty());
  CHECK(learn_bpe({{"ab", 2}}, 100).merges() == std::vector<merge>{{"a", "b "}});
  CHECK(learn_bpe({}, 10).merges().empty());
  CHECK(learn_bpe({{"ab", 9}}, 0).merges().empty());
  CHECK_THROWS_AS(learn_bpe({}, -1), foal::error);
}

TEST_CASE("equally frequent pairs are taken in the order of their bytes") {
  CHECK(learn_bpe({{"zy", 3}, {"ab", 3}, {"ac", 3}}, 2).merges() == std::vector<merge>{{"a", "b "}, {"a", "c "}});
}

TEST_CASE("a word is cut by the earliest merges first") {
  bpe const code({{"b", "c"}, {"a", "b"}, {"bc", "d "}, {"a", "bcd "}});
  CHECK(code.split("abcd") == pieces{"abcd "});    // (a, b) would have left c alone
  CHECK(code.split("abc") == pieces{"ab", "c "});  // a last c carries the mark: the pair is not (b, c)
  CHECK(code.split("bcb") == pieces{"bc", "b "});
  CHECK(code.split("xaby") == pieces{"x", "ab", "y "});
  CHECK(code.split("").empty());
}

TEST_CASE("three alike in a row merge from the left") {
  bpe const code(std::vector<merge>{{"a", "a"}});
  CHECK(code.split("aaab") == pieces{"aa", "a", "b "});
  CHECK(code.split("aaaab") == pieces{"aa", "aa", "b "});
}

TEST_CASE("characters of several bytes stay whole") {
  bpe const code(std::vector<merge>{});
  CHECK(code.split("für") == pieces{"f", "ü", "r "});
  CHECK(code.split("aß") == pieces{"a", "ß "});
}

TEST_CASE("merges are saved and read back") {
  bpe const code(std::vector<merge>{{"a", "b "}, {"\\", "ü"}, {"x", "y"}});
  CHECK(code.saved() == "foal merges: 3 entries\na\tb\\_\n\\\\\tü\nx\ty\n");
  CHECK(bpe::load(code.saved(), "here").merges() == code.merges());
}

TEST_CASE("damaged merges are refused with the place") {
  auto const message = [](std::string const& text) -> std::string {
    try {
      bpe::load(text, "merges.txt");
    } catch (foal::error const& e) {
      return e.what();
    }
    return "";
  };
  auto const file = [](std::size_t n, std::string const& lines) { return entries_title("merges", n) + "\n" + lines; };
  CHECK(message(file(1, "a\tb\n")).empty());
  CHECK(message(file(0, "")).empty());
  CHECK(message(file(2, "a\tb\nab\n")).find("line 3 of the merges merges.txt") != std::string::npos);
  CHECK(message(file(1, "\tb\n")).find("line 2") != std::string::npos);
  CHECK(message(file(1, "a\tb\tc\n")).find("line 2") != std::string::npos);
  CHECK(message(file(1, "a\\q\tb\n")).find("backslash") != std::string::npos);
  CHECK(message(file(2, "a\tb\na\tb\n")).find("second time") != std::string::npos);
  CHECK(message("").find("cannot read the merges merges.txt, because it is empty") == 0);
  CHECK(message("a\tb\n").find("'foal merges: N entries' is expected") != std::string::npos);
  CHECK(message(file(3, "a\tb\nc\td\n")).find("it ends after 2 of 3 entries") != std::string::npos);
  CHECK(message(file(1, "a\tbc")).find("the file was cut") != std::string::npos);
  CHECK(message(file(1, "a\tb\r\n")).find("carriage return") != std::string::npos);  // not the piece "b\r"
}
