// Schedules of one chunk a rank: orders of GPipe, 1F1B, kFkB, Seq1F1B, Varuna and BPipe, against their authors' numbers.
#include <foal/schedule/rules/gpipe.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/rules/bpipe.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/seq1f1b.hpp>
#include <foal/schedule/rules/varuna.hpp>

#include "tests/schedule/rules/support.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::flaw_of;
using foal::test::takes;

namespace {

/// The positions of the microbatches of a rank's backwards, in order.
template <class G>
std::vector<int> backwards(G const& g, extent e, int rank) {
  program p = generate(g, e);
  std::vector<int> all;
  for (op const& o : p.view().rank(rank))
    if (o.kind == op_kind::BW) all.push_back(o.microbatch);
  return all;
}

template <class G>
std::vector<op> ops_of(G const& g, extent e) {
  program p = generate(g, e);
  return {p.view().ops.begin(), p.view().ops.end()};
}

}  // namespace

static_assert(proof(gpipe{.newest_first = true}, {4, 4, 8}));
static_assert(proof(k_f_k_b{}, {4, 4, 8}));
static_assert(proof(k_f_k_b{.k = 3}, {4, 4, 8}));
static_assert(proof(seq1f1b{}, {.stages = 4, .ranks = 4, .microbatches = 8, .segments = 2}));
static_assert(proof(varuna{}, {4, 4, 8}));
static_assert(proof(bpipe{}, {4, 4, 8}));
static_assert(takes(gpipe{}, {4, 4, 8}, {}, 33, 9, {8, 8, 8, 8}));
static_assert(takes(gpipe{.newest_first = true}, {4, 4, 8}, {}, 33, 9, {8, 8, 8, 8}));
static_assert(takes(one_f_one_b{}, {4, 4, 8}, {}, 33, 9, {4, 3, 2, 1}));
static_assert(takes(one_f_one_b{}, {8, 8, 16}, {}, 69, 21, {8, 7, 6, 5, 4, 3, 2, 1}));

TEST_CASE("GPipe runs its backwards in either order, and takes as long", "[schedule]") {
  CHECK(backwards(gpipe{}, {3, 3, 4}, 1) == std::vector<int>{0, 1, 2, 3});
  CHECK(backwards(gpipe{.newest_first = true}, {3, 3, 4}, 1) == std::vector<int>{3, 2, 1, 0});
  for (int stages : {1, 3, 7})
    for (int ranks = 1; ranks <= stages; ++ranks)
      for (int n : {1, 2, 5})
        for (bool newest_first : {false, true}) {
          INFO(stages << " stages, " << ranks << " ranks, N " << n);
          CHECK(flaw_of(gpipe{.newest_first = newest_first}, stages, ranks, n).empty());
          if (ranks == stages)
            CHECK(facts_of(gpipe{.newest_first = newest_first}, stages, ranks, n).makespan == 3 * (n + ranks - 1));
        }
}

TEST_CASE("GPipe's forwards run on the clock of its authors", "[schedule]") {
  // At clock k the stages s run microbatches m with m + s = k.
  auto const clocks = [](int n, int ranks) {
    std::vector<std::vector<std::pair<int, int>>> all;
    program p = generate(gpipe{}, {ranks, ranks, n});
    for (op const& o : p.view().ops) {
      if (o.kind != op_kind::F) continue;
      if (all.size() <= static_cast<std::size_t>(o.slot)) all.resize(static_cast<std::size_t>(o.slot) + 1);
      all[static_cast<std::size_t>(o.slot)].emplace_back(o.microbatch, o.stage);
    }
    return all;
  };
  using clock = std::vector<std::pair<int, int>>;
  CHECK(clocks(3, 3) ==
        std::vector<clock>{{{0, 0}}, {{1, 0}, {0, 1}}, {{2, 0}, {1, 1}, {0, 2}}, {{2, 1}, {1, 2}}, {{2, 2}}});
  CHECK(clocks(4, 2).size() == 5);
}

TEST_CASE("kFkB hides messages behind the ops of a group", "[schedule]") {
  double const makespans[][3] = {{57, 85, 113}, {57, 63, 74}, {57, 63, 69}};
  int const peaks[] = {4, 8, 16};
  for (int i = 0; i < 3; ++i)
    for (int latency = 0; latency < 3; ++latency) {
      k_f_k_b const g{.k = 1 << i};
      auto const m = facts_of(g, 4, 4, 16, {.message = static_cast<double>(latency)});
      INFO("k " << g.k << " latency " << latency);
      CHECK(m.makespan == makespans[i][latency]);
      CHECK(m.peaks.front() == peaks[i]);
    }
}

TEST_CASE("kFkB is 1F1B with k = 1 and GPipe with k = N, and takes any N", "[schedule]") {
  for (int stages : {1, 4, 7})
    for (int ranks = 1; ranks <= std::min(stages, 4); ++ranks)
      for (int n = 1; n <= 9; ++n) {
        extent const e{stages, ranks, n};
        CHECK(ops_of(k_f_k_b{.k = 1}, e) == ops_of(one_f_one_b{}, e));
        CHECK(ops_of(k_f_k_b{.k = n + 2}, e) == ops_of(gpipe{}, e));
        for (int k = 2; k < n; ++k) {
          INFO(stages << " stages, " << ranks << " ranks, N " << n << ", k " << k);
          CHECK(flaw_of(k_f_k_b{.k = k}, stages, ranks, n).empty());
        }
      }
  program p = generate(k_f_k_b{}, {2, 2, 5});
  CHECK(lists(p.view()) ==
        "F0 F1 F2 F3 B0 B1 F4 B2 B3 B4 U4\n"
        "F0 F1 B0 B1 F2 F3 B2 B3 F4 B4 U4\n");
  program longer = generate(k_f_k_b{}, {4, 4, 8});
  CHECK(lists(longer.view()) ==
        "F0 F1 F2 F3 F4 F5 F6 F7 B0 B1 B2 B3 B4 B5 B6 B7 U7\n"
        "F0 F1 F2 F3 F4 F5 B0 B1 F6 F7 B2 B3 B4 B5 B6 B7 U7\n"
        "F0 F1 F2 F3 B0 B1 F4 F5 B2 B3 F6 F7 B4 B5 B6 B7 U7\n"
        "F0 F1 B0 B1 F2 F3 B2 B3 F4 F5 B4 B5 F6 F7 B6 B7 U7\n");
  CHECK_THAT(flaw_of(k_f_k_b{.k = 0}, 4, 4, 8), Catch::Contains(".k = 0"));
}

TEST_CASE("fixed slots take two per microbatch, and unequal stages are waited for", "[schedule]") {
  CHECK(facts_of(one_f_one_b{}, 3, 3, 4, {.backward = 0.5, .weight = 0.5}).makespan == 12);
  CHECK(facts_of(one_f_one_b{}, 3, 3, 4).peaks == std::vector<int>{3, 2, 1});
}

TEST_CASE("segments of a sequence divide the bubble, and what is saved", "[schedule]") {
  CHECK(takes(seq1f1b{}, {.stages = 4, .ranks = 4, .microbatches = 8, .segments = 2}, {}, 57, 9, {5, 4, 3, 2}));
  CHECK(
      takes(seq1f1b{.segments = 4}, {.stages = 4, .ranks = 4, .microbatches = 8, .segments = 4}, {}, 105, 9, {7, 6, 5, 4}));
  for (int stages = 1; stages <= 5; ++stages)
    for (int ranks = 1; ranks <= stages; ++ranks)
      for (int n : {1, 2, 3, 6})
        for (int k : {1, 2, 3, 4}) {
          INFO(stages << " stages, " << ranks << " ranks, N " << n << ", " << k << " segments");
          CHECK(flaw_of(seq1f1b{.segments = k}, stages, ranks, n).empty());
        }
  CHECK(backwards(seq1f1b{.segments = 1}, {3, 3, 4}, 0) == backwards(one_f_one_b{}, {3, 3, 4}, 0));
  CHECK(facts_of(seq1f1b{.segments = 1}, 4, 4, 8).peaks == facts_of(one_f_one_b{}, 4, 4, 8).peaks);
  CHECK_THAT(flaw_of(seq1f1b{.segments = 0}, 4, 4, 8), Catch::Contains("0 segments"));
}

TEST_CASE("Varuna recomputes all but the last rank's stages, and keeps one microbatch", "[schedule]") {
  auto const m = facts_of(varuna{}, 4, 4, 8);
  CHECK(m.makespan == 39);
  CHECK(m.bubble == 7);
  CHECK(m.peaks == std::vector<int>{1, 1, 1, 1});
  program p = generate(varuna{}, {6, 3, 4});
  CHECK(recompute_groups_of(p.view()) == std::vector<int>{0, 0, 2, 2, -1, -1});
  std::string text;
  for (op const& o : p.view().rank(2)) text += std::string(name(o.kind)) + std::to_string(o.stage) + ' ';
  CHECK(text.substr(0, 24) == "F4 F5 BW5 BW4 F4 F5 BW5 ");
  for (int stages = 1; stages <= 6; ++stages)
    for (int ranks = 1; ranks <= stages; ++ranks)
      for (int n = 1; n <= 9; ++n) {
        INFO(stages << " stages, " << ranks << " ranks, N " << n);
        CHECK(flaw_of(varuna{}, stages, ranks, n).empty());
      }
}

TEST_CASE("Varuna's order is that of its authors' program", "[schedule]") {
  // gen-schedule 3 4: forward 0, recompute 1, backward 2 of each rank.
  program p = generate(varuna{}, {3, 3, 4});
  std::string text;
  for (int r = 0; r < 3; ++r, text += '\n')
    for (op const& o : p.view().rank(r))
      if (o.kind != op_kind::U)
        text += std::string(o.kind == op_kind::F   ? "0"
                            : o.kind == op_kind::R ? "1"
                                                   : "2") +
                ',' + std::to_string(o.microbatch) + ';';
  CHECK(text ==
        "0,0;0,1;0,2;0,3;1,0;2,0;1,1;2,1;1,2;2,2;1,3;2,3;\n"
        "0,0;0,1;0,2;1,0;2,0;1,1;2,1;1,2;2,2;0,3;1,3;2,3;\n"
        "0,0;2,0;0,1;2,1;0,2;2,2;0,3;2,3;\n");
}

TEST_CASE("BPipe runs 1F1B", "[schedule]") {
  CHECK(ops_of(bpipe{}, {8, 8, 16}) == ops_of(one_f_one_b{}, {8, 8, 16}));
  CHECK_THAT(flaw_of(bpipe{.limit = -1}, 4, 4, 8), Catch::Contains(".limit = -1"));
}
