// BLEU: examples that were computed by hand.
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/bleu.hpp>

using namespace foal::text;
using lines = std::vector<std::string>;
using numbers = std::vector<int>;

TEST_CASE("a translation equal to its reference scores 100") {
  bleu_score const s = corpus_bleu(lines{"a man in a hat"}, lines{"a man in a hat"});
  CHECK(s.bleu == Approx(100));
  CHECK(s.brevity_penalty == 1);
  CHECK(s.length == 5);
}

TEST_CASE("one wrong word in six") {
  // the cat sat on the mat / the cat is on the mat: 1-grams 5 of 6; 2-grams (the cat, on the, the mat) 3 of 5; 3-grams (on
  // the mat) 1 of 4; 4-grams 0 of 3. With no 4-gram the score is 0.
  bleu_score const s = corpus_bleu(lines{"the cat sat on the mat"}, lines{"the cat is on the mat"});
  CHECK(s.precision[0] == Approx(5.0 / 6));
  CHECK(s.precision[1] == Approx(3.0 / 5));
  CHECK(s.precision[2] == Approx(1.0 / 4));
  CHECK(s.matches[3] == 0);
  CHECK(s.ngrams[3] == 3);
  CHECK(s.precision[3] == 0);
  CHECK(s.bleu == 0);
}

TEST_CASE("add-one smoothing gives such a sentence a score") {
  // 5/6, (3+1)/(5+1), (1+1)/(4+1), (0+1)/(3+1): the product is 5/6 * 2/3 * 2/5 * 1/4 = 1/18, its fourth root 0.48549.
  bleu_score const s = corpus_bleu(lines{"the cat sat on the mat"}, lines{"the cat is on the mat"}, smoothing::add_one);
  CHECK(s.precision[0] == Approx(5.0 / 6));
  CHECK(s.precision[3] == Approx(1.0 / 4));
  CHECK(s.bleu == Approx(100 * std::pow(1.0 / 18, 0.25)));
}

TEST_CASE("an n-gram matches no more often than the reference has it") {
  // The example of Papineni et al.: the x 7 against a reference with two: 2 of 7, where 7 of 7 would be unclipped.
  bleu_counts counts;
  counts.add(words("the the the the the the the"), words("the cat is on the mat"));
  CHECK(counts.score().matches[0] == 2);
  CHECK(counts.score().precision[0] == Approx(2.0 / 7));
  CHECK(counts.score().matches[1] == 0);
}

TEST_CASE("counts are summed over the corpus before they are divided") {
  // Sentence 1: a b c d e against itself: 5/5, 4/4, 3/3, 2/2. Sentence 2: v w x y against v w x z: 3/4, 2/3, 1/2, 0/1.
  // Sums: 8/9, 6/7, 4/5, 2/3. Product 8*6*4*2 / (9*7*5*3) = 384/945. Lengths 9 and 9.
  bleu_score const s = corpus_bleu(lines{"a b c d e", "v w x y"}, lines{"a b c d e", "v w x z"});
  CHECK(s.matches[0] == 8);
  CHECK(s.ngrams[1] == 7);
  CHECK(s.bleu == Approx(100 * std::pow(384.0 / 945, 0.25)));
}

TEST_CASE("a translation shorter than its reference pays the brevity penalty") {
  // a b c d e against a b c d e f g h: all precisions 1, penalty exp(1 - 8/5).
  bleu_score const s = corpus_bleu(lines{"a b c d e"}, lines{"a b c d e f g h"});
  CHECK(s.precision[3] == 1);
  CHECK(s.brevity_penalty == Approx(std::exp(-0.6)));
  CHECK(s.bleu == Approx(100 * std::exp(-0.6)));
  CHECK(s.reference_length == 8);
  // A longer one does not: 5/8, 4/7, 3/6, 2/5.
  bleu_score const longer = corpus_bleu(lines{"a b c d e f g h"}, lines{"a b c d e"});
  CHECK(longer.brevity_penalty == 1);
  CHECK(longer.bleu == Approx(100 * std::pow(5.0 / 8 * 4 / 7 * 3 / 6 * 2 / 5, 0.25)));
}

TEST_CASE("of several references each gives matches, and the nearest length counts") {
  bleu_counts counts;
  std::vector<numbers> const references = {{1, 2, 9, 9, 9, 9, 9}, {3, 4, 5}, {1, 2, 3, 8, 8}};
  // Against 1 2 3 4: 1, 2, 3, 4 all occur somewhere; pairs (1,2), (2,3), (3,4) as well; (1,2,3) but not (2,3,4). Lengths 7,
  // 3, 5: 3 and 5 are equally near to 4, and the shorter is taken.
  counts.add(numbers{1, 2, 3, 4}, std::span<numbers const>(references));
  bleu_score const s = counts.score();
  CHECK(s.matches[0] == 4);
  CHECK(s.matches[1] == 3);
  CHECK(s.matches[2] == 1);
  CHECK(s.matches[3] == 0);
  CHECK(s.reference_length == 3);
}

TEST_CASE("nothing translated scores nothing") {
  CHECK(corpus_bleu(lines{""}, lines{"a b"}).bleu == 0);
  CHECK(corpus_bleu(lines{""}, lines{"a b"}, smoothing::add_one).bleu == 0);
  CHECK(corpus_bleu(lines{"a b c"}, lines{"a b c"}).bleu == 0);  // no 4-gram at all
  CHECK(corpus_bleu(lines{}, lines{}).bleu == 0);
}

TEST_CASE("lines must come in pairs") {
  CHECK_THROWS_AS(corpus_bleu(lines{"a"}, lines{}), foal::error);
  bleu_counts counts;
  CHECK_THROWS_AS(counts.add(numbers{1}, std::span<numbers const>()), foal::error);
}
