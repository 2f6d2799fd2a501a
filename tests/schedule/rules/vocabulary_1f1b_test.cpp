// 1F1B of a vocabulary in parts: what is where, what it gains over 1F1B whose last rank has the whole output layer, and what
// it saves.
#include <foal/schedule/rules/vocabulary_1f1b.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <vector>

using namespace foal::schedule;

namespace {

/// A pass of a rank's blocks takes 1 forwards and 2 backwards; its parts of the output layer take `output` of that.
std::vector<stage_times> times_of(std::vector<double> const& forward) {
  std::vector<stage_times> all;
  for (double const f : forward) all.push_back({.forward = f, .backward = f, .weight = f, .together = 2 * f});
  return all;
}

struct outcome {
  timing time;
  std::vector<int> saved;  ///< by rank, of its blocks
  int output_saved = 0;    ///< by the rank that saves most of its parts of the output layer
};

outcome in_parts(int ranks, int n, double output, int memory = 0) {
  vocabulary_1f1b const g{.output_forward = output, .output_backward = 2 * output, .memory = memory};
  program p = generate(g, extent_of(g, 3 * ranks, ranks, n));
  verdict const told = prove(p.view());
  INFO(text(told));
  REQUIRE(told);
  std::vector<double> forward(static_cast<std::size_t>(ranks), 0);
  forward.resize(2 * forward.size(), 1), forward.resize(forward.size() / 2 * 3, output);
  auto const times = times_of(forward);
  outcome all{replay(p.view(), {.stages = times}), {}};
  analysis const facts = analyse(p.view());
  for (int r = 0; r < ranks; ++r) {
    all.saved.push_back(facts.stage[static_cast<std::size_t>(ranks + r)].in_flight);
    all.output_saved = std::max(all.output_saved, facts.stage[static_cast<std::size_t>(2 * ranks + r)].in_flight);
  }
  return all;
}

/// 1F1B, the last rank with the whole output layer.
timing whole(int ranks, int n, double output) {
  std::vector<double> forward(static_cast<std::size_t>(ranks), 1);
  forward.back() += output * ranks;
  auto const times = times_of(forward);
  program p = generate(one_f_one_b{}, {ranks, ranks, n});
  return replay(p.view(), {.stages = times});
}

}  // namespace

TEST_CASE("both_ends: parts of a vocabulary and blocks are spread over all ranks", "[schedule]") {
  auto const ranks = [](int stages, int of, int parts) {
    std::string all;
    for (int s = 0; s < stages; ++s)
      all += static_cast<char>('0' + rank_of({.stages = stages, .ranks = of, .placed = both_ends.in(parts)}, s));
    return all;
  };
  CHECK(ranks(9, 3, 3) == "012012012");
  CHECK(ranks(9, 3, 0) == "012012012");
  CHECK(ranks(14, 3, 3) == "01200011122012");
  CHECK(ranks(10, 2, 4) == "0011010011");
  CHECK(ranks(8, 3, 2) == "01001201");
  CHECK(ranks(3, 3, 3) == "000");  // too few stages: the rule refuses it
}

TEST_CASE("vocabulary_1f1b: faster than 1F1B with a whole output layer by what that delays its last rank", "[schedule]") {
  // 4 ranks, 8 microbatches, a part of the output layer half as long as a rank's blocks: the last rank of 1F1B has thrice
  // the work of the others, and the others wait for it.
  outcome const split = in_parts(4, 8, 0.5);
  timing const plain = whole(4, 8, 0.5);
  CHECK(plain.makespan == 81);
  CHECK(split.time.makespan == 47.5);
  CHECK(split.saved == std::vector<int>{8, 7, 6, 5});
  CHECK(split.output_saved == 3);
  // In the memory of a block without waiting, a little later; in 1F1B's memory still faster.
  CHECK(in_parts(4, 8, 0.5, 6).time.makespan == 49);
  outcome const least = in_parts(4, 8, 0.5, 4);
  CHECK(least.time.makespan == 64.5);
  CHECK(*std::max_element(least.saved.begin(), least.saved.end()) == 4);
}

TEST_CASE("vocabulary_1f1b: no rank waits between the fill and the drain", "[schedule]") {
  for (int const ranks : {2, 4, 8})
    for (double const output : {0.25, 0.5, 1.0, 2.0}) {
      INFO(ranks << " ranks, output " << output);
      int const n = 8 * ranks;
      outcome const some = in_parts(ranks, n, output), more = in_parts(ranks, 2 * n, output);
      CHECK(more.time.makespan - some.time.makespan == Approx(n * 3 * (1 + output)));  // a rank's work of so many
      CHECK(*std::max_element(some.saved.begin(), some.saved.end()) <= 2 * ranks);
      CHECK(whole(ranks, n, output).makespan > some.time.makespan);
    }
}

TEST_CASE("vocabulary_1f1b: says what it cannot do", "[schedule]") {
  auto const made = [](vocabulary_1f1b const& g, int stages, int ranks) {
    return generate(g, extent_of(g, stages, ranks, 4));
  };
  CHECK_THROWS_WITH(made({.forward = -1}, 9, 3), Catch::Contains("for a duration of -1"));
  CHECK_THROWS_WITH(made({.memory = -1}, 9, 3), Catch::Contains("with .memory = -1 and .parts = 0"));
  CHECK_THROWS_WITH(made({.parts = 2}, 6, 3), Catch::Contains("because rank 2 would have none: of 2 parts and 2 stages"));
  CHECK_THROWS_WITH(made({.parts = 4}, 7, 3),
                    Catch::Contains("with .parts = 4, because of 7 stages") && Catch::Contains("use 3 at most"));
  CHECK(prove(made({.parts = 3}, 7, 3).view()));
  CHECK(prove(made({.parts = 2}, 7, 3).view()));
  CHECK(prove(made({.forward = 0, .backward = 0, .output_forward = 0, .output_backward = 0}, 9, 3).view()));
}
