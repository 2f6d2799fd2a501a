// Pipes in opposite directions, and waves in their order, against their authors' numbers.
#include <foal/schedule/rules/chimera.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/rules/hanayo.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>

#include "tests/schedule/rules/support.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::flaw_of;
using foal::test::takes;

namespace {

constexpr costs equal{.backward = 0.5, .weight = 0.5};  // F and BW take one

constexpr extent both_ways(int ranks, int n, int replicas = 2) {
  return {.stages = ranks, .ranks = ranks, .microbatches = n, .replicas = replicas, .placed = bidirectional};
}
constexpr extent on_vee(int ranks, int n, int waves = 1) {
  return {.stages = 2 * waves * ranks, .ranks = ranks, .microbatches = n, .placed = vee.in(2 * waves)};
}

}  // namespace

static_assert(proof(chimera{}, both_ways(4, 8)));
static_assert(proof(chimera{.units = false}, both_ways(4, 8)));
static_assert(proof(hanayo{}, on_vee(4, 8)));
static_assert(takes(chimera{}, both_ways(4, 4), equal, 10, 2, {3, 4, 4, 3}));
static_assert(takes(chimera{}, both_ways(4, 4), {}, 16, 4, {3, 4, 4, 3}));
static_assert(takes(chimera{}, both_ways(4, 8), {}, 30, 6, {3, 4, 4, 3}));

TEST_CASE("two pipes are idle for R - 2 slots", "[schedule]") {
  CHECK(takes(chimera{}, both_ways(8, 16), equal, 38, 6, {5, 6, 7, 8, 8, 7, 6, 5}));
  for (int ranks : {2, 4, 6, 8})
    for (int units : {1, 2, 3}) {
      auto const m = facts_of(chimera{}, ranks, ranks, ranks * units, equal);
      CHECK(m.makespan == 2 * ranks * units + ranks - 2);
      CHECK(m.idle == ranks - 2);
      CHECK(m.peaks.front() == ranks / 2 + 1);
    }
}

TEST_CASE("more pairs of pipes divide the bubble", "[schedule]") {
  for (auto const& [ranks, replicas] : {std::pair{8, 2}, {8, 4}, {8, 8}, {12, 4}, {12, 6}}) {
    INFO(ranks << " ranks, " << replicas << " replicas");
    auto const m = facts_of(chimera{.replicas = replicas}, ranks, ranks, 2 * ranks, equal);
    CHECK(m.makespan == 4 * ranks + 2 * ranks / replicas - 2);
    CHECK(*std::max_element(m.peaks.begin(), m.peaks.end()) == ranks);
  }
}

TEST_CASE("a rank's list of both pipes, as their authors draw it", "[schedule]") {
  program p = generate(chimera{}, both_ways(4, 4));
  std::string const text = lists(p.view());
  CHECK(text.substr(0, text.find(" G")) == "F0.0 F0.2 F3.1r1 B3.1r1 F3.3r1 B3.3r1 B0.0 B0.2");
}

TEST_CASE("without units the bubble does not grow with N, for odd R too", "[schedule]") {
  for (int ranks : {3, 4, 5, 6, 7, 9})
    for (int units : {2, 4}) {
      int const n = ranks * units;
      INFO(ranks << " ranks, N " << n);
      auto const m = facts_of(chimera{.units = false}, ranks, ranks, n, equal);
      CHECK(m.makespan == 2 * n + ranks - (ranks % 2 == 0 ? 2 : 1));
      auto const heavy = facts_of(chimera{.units = false}, ranks, ranks, n);
      CHECK(heavy.makespan < facts_of(one_f_one_b{}, ranks, ranks, n).makespan);
      for (int const peak : m.peaks) CHECK(peak <= ranks);
      if (ranks % 2 == 1) CHECK(facts_of(chimera{}, ranks, ranks, n).makespan == heavy.makespan);
    }
  CHECK(facts_of(chimera{.units = false}, 4, 4, 8).makespan == 28);
}

TEST_CASE("Chimera takes any S, R and N that its replicas share", "[schedule]") {
  for (int replicas : {2, 4, 6})
    for (int stages = 1; stages <= 7; ++stages)
      for (int ranks = 1; ranks <= stages; ++ranks)
        for (int n : {replicas, replicas + 1, 9, 14}) {
          INFO(stages << " stages, " << ranks << " ranks, N " << n << ", " << replicas << " replicas");
          for (bool units : {false, true})
            CHECK(flaw_of(chimera{.replicas = replicas, .units = units}, stages, ranks, n).empty());
        }
  CHECK_THAT(flaw_of(chimera{}, 4, 4, 1), Catch::Contains("N >= .replicas; use 2 microbatches or more"));
  CHECK_THAT(flaw_of(chimera{.replicas = 3}, 4, 4, 6), Catch::Contains(".replicas = 3"));
}

TEST_CASE("waves: four forwards of a chunk less a rank, and what R microbatches save", "[schedule]") {
  for (int ranks : {1, 2, 4, 5, 8})
    for (int waves : {1, 2, 4})
      for (int units : {1, 2, 3}) {
        int const n = units * ranks;
        INFO(ranks << " ranks, " << waves << " waves, N " << n);
        auto const m = facts_of(hanayo{.waves = waves}, 2 * waves * ranks, ranks, n);
        CHECK(m.makespan == 6 * waves * n + 4 * (ranks - 1));
        CHECK(m.idle == 4 * (ranks - 1));
        CHECK(m.peaks.back() == 2 * waves * ranks);
        for (int const peak : m.peaks) CHECK(peak <= 2 * waves * ranks);
      }
}

TEST_CASE("waves are idle for less than a greedy list, and than the formula of their authors", "[schedule]") {
  // Per cent at N = R = 4 and 8 with 1, 2 and 4 waves: a greedy list's, and (2R - 2) / (3 R W + R - 1).
  double const greedy[][3] = {{33.4, 21.4, 12}, {36.9, 23.9, 13.6}};
  for (int i = 0; i < 2; ++i)
    for (int k = 0; k < 3; ++k) {
      int const ranks = 4 << i, waves = 1 << k;
      auto const m = facts_of(hanayo{.waves = waves}, 2 * waves * ranks, ranks, ranks);
      double const idle = 100 * m.idle / m.makespan;
      CHECK(idle < greedy[i][k]);
      CHECK(idle < 100.0 * (2 * ranks - 2) / (3 * ranks * waves + ranks - 1));
    }
}

TEST_CASE("waves take any S, R and N", "[schedule]") {
  for (int stages = 1; stages <= 11; ++stages)
    for (int ranks = 1; ranks <= std::min(stages, 5); ++ranks)
      for (int waves : {1, 2, 3})
        for (int n : {1, 2, 5, 8, 9}) {
          INFO(stages << " stages, " << ranks << " ranks, " << waves << " waves, N " << n);
          REQUIRE(flaw_of(hanayo{.waves = waves}, stages, ranks, n).empty());
          program p = generate(hanayo{.waves = waves}, extent_of(hanayo{.waves = waves}, stages, ranks, n));
          std::vector<int> next(static_cast<std::size_t>(stages), 0);  // gradients are summed in this order
          for (op const& o : p.view().ops)
            if (o.kind == op_kind::BW) CHECK(o.microbatch == next[static_cast<std::size_t>(o.stage)]++);
        }
  CHECK_THAT(flaw_of(hanayo{.waves = 0}, 8, 4, 8), Catch::Contains(".waves = 0"));
  CHECK(ranks_for(hanayo{.waves = 2}, 16) == 4);
}
