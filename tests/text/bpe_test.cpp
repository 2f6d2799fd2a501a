// Byte-pair encoding: the merges against a plain count over all words in every step, and encoding as the merges say.
#include <catch2/catch.hpp>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/text/bpe.hpp>
#include <foal/text/bpe_learner.hpp>
#include <foal/text/utf8.hpp>
#include <foal/text/words.hpp>

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

std::string random_word(std::uint64_t number, char const* letters, std::uint32_t kinds) {
  foal::random_key const key{7, foal::purpose::user, 0, number};
  std::string word;
  for (std::uint32_t i = 0; i < 1 + foal::random_word(key, 0) % 9; ++i)
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
  std::ostringstream out;
  code.save(out);
  CHECK(out.str() == "foal merges: 3 entries\na\tb\\_\n\\\\\tü\nx\ty\n");
  std::istringstream in(out.str());
  CHECK(bpe::load(in, "here").merges() == code.merges());
}

TEST_CASE("damaged merges are refused with the place") {
  auto const message = [](std::string const& text) -> std::string {
    std::istringstream in(text);
    try {
      bpe::load(in, "merges.txt");
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
