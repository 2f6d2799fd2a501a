// Search against a model that is a table, small enough to know every sequence.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/search.hpp>

using namespace foal::text;
using ids = std::vector<std::int32_t>;

namespace {

constexpr int tokens = 7;  // the reserved ones, then 4, 5, 6
constexpr std::int32_t a = 4, b = 5, c = 6;

/// Next-token probabilities by prefix; what is left out is improbable, and an unknown prefix ends.
using table = std::map<ids, std::map<std::int32_t, double>>;

struct model {
  std::vector<table> of_source;
  int* calls = nullptr;

  void operator()(std::span<hypothesis const> prefixes, float* out) const {
    if (calls != nullptr) ++*calls;
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      float* const row = out + i * tokens;
      for (int t = 0; t < tokens; ++t) row[t] = static_cast<float>(std::log(1e-6));
      table const& known = of_source[static_cast<std::size_t>(prefixes[i].source)];
      auto const found = known.find(prefixes[i].tokens);
      if (found == known.end()) {
        row[eos] = 0;
        continue;
      }
      for (auto const& [token, p] : found->second) row[token] = static_cast<float>(std::log(p));
    }
  }
};

/// a looks better than b at first, but what follows it is divided: P(a c) = .6 * .4 = .24, P(b c) = .4 * 1 = .4.
table const trap = {{{}, {{a, 0.6}, {b, 0.4}}}, {{a}, {{a, 0.3}, {b, 0.3}, {c, 0.4}}}, {{b}, {{c, 1.0}}}};

std::vector<int> const ten = {10};

}  // namespace

TEST_CASE("a beam finds what greedy search misses") {
  hypothesis const greedy = greedy_search(model{{trap}}, ten, {.vocabulary = tokens}).front();
  CHECK(greedy.tokens == ids{a, c});
  CHECK(greedy.log_probability == Approx(std::log(0.24)));
  auto const beam = beam_search(model{{trap}}, ten, {.vocabulary = tokens, .beam = 2}).front();
  REQUIRE(beam.size() == 2);
  CHECK(beam[0].tokens == ids{b, c});
  CHECK(beam[0].log_probability == Approx(std::log(0.4)));
  CHECK(beam[0].finished);
  CHECK(beam[1].tokens == ids{a, c});
}

TEST_CASE("a wide beam is exhaustive") {
  // Four sequences are likely: b c .4, a c .24, a a .18, a b .18; the last two are equal, and a comes before b.
  auto all = beam_search(model{{trap}}, ten, {.vocabulary = tokens, .beam = 200, .alpha = 0}).front();
  REQUIRE(all.size() > 4);
  for (std::size_t i = 4; i < all.size(); ++i) CHECK(all[i].score < std::log(1e-4));
  CHECK(all[0].tokens == ids{b, c});
  CHECK(all[1].tokens == ids{a, c});
  CHECK(all[2].tokens == ids{a, a});
  CHECK(all[3].tokens == ids{a, b});
  CHECK(all[2].score == Approx(std::log(0.18)));
}

TEST_CASE("length normalisation favours the longer one of nearly equal sequences") {
  // a ends at once: .5 * 1. b b b has .45. Divided by ((5+2)/6)^1 and ((5+4)/6)^1: -.594 and -.532.
  table const lengths = {{{}, {{a, 0.5}, {b, 0.45}}}, {{b}, {{b, 1.0}}}, {{b, b}, {{b, 1.0}}}};
  searching how{.vocabulary = tokens, .beam = 2, .alpha = 0};
  CHECK(beam_search(model{{lengths}}, ten, how).front().front().tokens == ids{a});
  how.alpha = 1;
  hypothesis const best = beam_search(model{{lengths}}, ten, how).front().front();
  CHECK(best.tokens == ids{b, b, b});
  CHECK(best.score == Approx(std::log(0.45) / 1.5));
  CHECK(length_penalty(1, 0.6) == 1);
  CHECK(length_penalty(7, 1) == Approx(2));
}

TEST_CASE("what reaches the longest length is cut off and comes after what is finished") {
  table const endless = {{{}, {{a, 0.9}, {b, 0.1}}}, {{a}, {{a, 1.0}}}, {{a, a}, {{a, 1.0}}}, {{a, a, a}, {{a, 1.0}}}};
  auto const found = beam_search(model{{endless}}, std::vector<int>{3}, {.vocabulary = tokens, .beam = 2}).front();
  REQUIRE(found.size() == 2);
  CHECK(found[0].tokens == ids{b});
  CHECK(found[0].finished);
  CHECK(found[1].tokens == ids{a, a, a});
  CHECK(!found[1].finished);
  CHECK(found[1].score > found[0].score);
  hypothesis const greedy = greedy_search(model{{endless}}, std::vector<int>{3}, {.vocabulary = tokens}).front();
  CHECK(greedy.tokens == ids{a, a, a});
}

TEST_CASE("several sources are searched together, each as if alone") {
  table const other = {{{}, {{c, 1.0}}}, {{c}, {{c, 0.7}, {a, 0.3}}}, {{c, c}, {{b, 1.0}}}};
  table const empty = {};
  int calls = 0;
  model const both{{trap, empty, other}, &calls};
  searching const how{.vocabulary = tokens, .beam = 3};
  auto const together = beam_search(both, std::vector<int>{10, 10, 10}, how);
  CHECK(calls == 4);  // as many as the longest needs: c c b and eos
  table const* const tables[] = {&trap, &empty, &other};
  for (std::size_t s = 0; s < 3; ++s) {
    auto const alone = beam_search(model{{*tables[s]}}, ten, how).front();
    REQUIRE(alone.size() == together[s].size());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      CHECK(alone[i].tokens == together[s][i].tokens);
      CHECK(alone[i].score == together[s][i].score);
      CHECK(together[s][i].source == static_cast<int>(s));
    }
  }
  CHECK(together[1].front().tokens.empty());  // eos at once is a sequence, too
}

TEST_CASE("equal scores are ordered by token") {
  auto const even = [](std::span<hypothesis const> prefixes, float* out) {
    for (std::size_t i = 0; i < prefixes.size() * tokens; ++i) out[i] = -1.0F;
  };
  auto const found = beam_search(even, std::vector<int>{1}, {.vocabulary = tokens, .beam = 4}).front();
  REQUIRE(found.size() == 4);  // pad and bos are never chosen: eos, unk, a, b
  CHECK(found[0].tokens.empty());
  CHECK(found[1].tokens == ids{unk});
  CHECK(found[2].tokens == ids{a});
  CHECK(found[3].tokens == ids{b});
}

TEST_CASE("what makes no sense is refused") {
  model const m{{trap}};
  CHECK_THROWS_AS(beam_search(m, ten, {.vocabulary = 2}), foal::error);
  CHECK_THROWS_AS(beam_search(m, ten, {.vocabulary = tokens, .beam = 0}), foal::error);
  CHECK_THROWS_AS(beam_search(m, std::vector<int>{0}, {.vocabulary = tokens}), foal::error);
  double const nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(beam_search(m, ten, {.vocabulary = tokens, .alpha = nan}), Catch::Contains("its alpha is nan"));
  auto const broken = [](std::span<hypothesis const>, float* out) { out[a] = std::numeric_limits<float>::quiet_NaN(); };
  CHECK_THROWS_AS(beam_search(broken, ten, {.vocabulary = tokens}), foal::error);
  CHECK(beam_search(m, std::vector<int>{}, {.vocabulary = tokens}).empty());
}
