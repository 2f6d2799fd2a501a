// Several chunks of stages on every rank: interleaved 1F1B and breadth-first loops, against their authors' numbers.
#include <foal/schedule/rules/interleaved.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>

#include "tests/schedule/rules/support.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::flaw_of;
using foal::test::takes;

namespace {

constexpr extent on_loop(int ranks, int n, int chunks = 2) {
  return {.stages = ranks * chunks, .ranks = ranks, .microbatches = n, .placed = loop.in(chunks)};
}

/// (chunks, microbatches, ranks): what PyTorch tests its own lists of both schedules with.
constexpr int torch_grid[][3] = {{2, 2, 2},   {2, 4, 4},    {2, 8, 2},  {2, 8, 4},  {2, 8, 8},  {4, 4, 4},
                                 {4, 8, 4},   {4, 8, 8},    {4, 16, 4}, {4, 32, 4}, {4, 64, 4}, {4, 16, 16},
                                 {4, 32, 32}, {4, 128, 64}, {3, 2, 2},  {3, 8, 2},  {3, 12, 4}, {4, 6, 3},
                                 {4, 10, 5},  {2, 3, 4},    {2, 10, 4}, {2, 15, 4}};

}  // namespace

static_assert(proof(interleaved{}, on_loop(4, 8)));
static_assert(proof(interleaved{.uneven = true}, on_loop(4, 11)));
static_assert(proof(looped_bfs{}, on_loop(4, 8)));
static_assert(proof(looped_bfs{.newest_first = true}, on_loop(4, 8)));
static_assert(takes(interleaved{}, on_loop(4, 8), {}, 57, 9, {11, 9, 7, 5}));
static_assert(takes(looped_bfs{}, on_loop(4, 8), {}, 57, 9, {16, 16, 16, 16}));

TEST_CASE("interleaved chunks are idle for the bubble of one chunk", "[schedule]") {
  CHECK(takes(interleaved{.chunks = 4}, on_loop(4, 8, 4), {}, 105, 9, {19, 17, 15, 13}));
  auto const wide = facts_of(interleaved{}, 16, 8, 16);
  CHECK(wide.makespan == 117);
  CHECK(wide.idle == 21);
  CHECK(wide.peaks.front() == 23);
  for (int ranks : {1, 2, 3, 5})
    for (int chunks : {1, 2, 3, 4})
      for (int turns : {1, 2, 3}) {
        int const n = ranks * turns;
        auto const m = facts_of(interleaved{.chunks = chunks}, ranks * chunks, ranks, n);
        INFO(ranks << " ranks, " << chunks << " chunks, N " << n);
        CHECK(m.idle == (ranks - 1) * 3);
        CHECK(m.makespan == 3 * n * chunks + 3 * (ranks - 1));
        for (int r = 0; r < ranks; ++r)
          CHECK(m.peaks[static_cast<std::size_t>(r)] ==
                std::min(n * chunks, 2 * (ranks - 1 - r) + (chunks - 1) * ranks + 1));
      }
}

TEST_CASE("numbers of microbatches that are no multiple of the ranks", "[schedule]") {
  CHECK(takes(interleaved{}, on_loop(4, 10), {}, 69, 9, {12, 10, 8, 6}));
  CHECK(flaw_of(interleaved{}, 8, 4, 3).empty());
  CHECK_THAT(flaw_of(interleaved{}, 8, 4, 11), Catch::Contains("N mod max(1, N/R) = 11 mod 2 = 1; use 10 or 12"));
  CHECK_THAT(flaw_of(interleaved{.turn = 4}, 8, 4, 7), Catch::Contains("N mod .turn = 7 mod 4 = 3; use 4 or 8"));
  CHECK_THAT(flaw_of(interleaved{.turn = 4}, 8, 4, 3), Catch::Contains("use 4 or 8"));
  CHECK_THAT(flaw_of(interleaved{.turn = 2}, 8, 4, 8), Catch::Contains(".turn >= R; use 4 or more"));
  CHECK_THAT(flaw_of(interleaved{.chunks = 0}, 8, 4, 8), Catch::Contains(".chunks = 0"));
  CHECK_THAT(flaw_of(interleaved{.chunks = 1 << 28}, 8, 4, 8), Catch::Contains("use 1 to 4096 chunks"));
  CHECK_THAT(flaw_of(looped_bfs{.chunks = 1 << 27}, 8, 3, 8), Catch::Contains("use 1 to 4096"));
  // The first turn has 6 of 11 microbatches, the other 5: no more idle than N = 12 has.
  CHECK(facts_of(interleaved{.uneven = true}, 8, 4, 11).idle == 9);
  for (int turn : {0, 4, 5})
    for (int n = 1; n <= 24; ++n) {
      INFO(n << " microbatches in turns of " << turn);
      CHECK(flaw_of(interleaved{.turn = turn, .uneven = true}, 8, 4, n).empty());
    }
}

TEST_CASE("orders have each chunk's forward before its backward", "[schedule]") {
  // (R, turn) of Megatron's own test, N of 8 turns.
  for (auto const& [ranks, turn] : {std::pair{1, 1}, {2, 2}, {2, 4}, {4, 4}, {4, 5}, {8, 9}, {8, 11}})
    for (int chunks : {1, 2, 4, 8})
      for (int n : {turn, 8 * turn}) {
        extent const e = on_loop(ranks, n, chunks);
        program p = generate(interleaved{.chunks = chunks, .turn = turn}, e);
        INFO(ranks << " ranks, turns of " << turn << ", " << chunks << " chunks, N " << n);
        REQUIRE(prove(p.view()));
        for (int r = 0; r < ranks; ++r) {
          std::vector<int> open(static_cast<std::size_t>(e.stages), 0);
          int ops = 0;
          for (op const& o : p.view().rank(r)) {
            if (o.kind == op_kind::U) continue;
            ++ops;
            CHECK((open[static_cast<std::size_t>(o.stage)] += o.kind == op_kind::F ? 1 : -1) >= 0);
          }
          CHECK(ops == 2 * n * chunks);
          CHECK(open == std::vector<int>(open.size(), 0));
        }
      }
}

TEST_CASE("the lists that PyTorch's tests ask for run", "[schedule]") {
  for (auto const& [chunks, n, ranks] : torch_grid) {
    INFO(chunks << " chunks, N " << n << ", " << ranks << " ranks");
    CHECK(flaw_of(interleaved{.chunks = chunks}, ranks * chunks, ranks, n).empty());
    CHECK(flaw_of(looped_bfs{.chunks = chunks}, ranks * chunks, ranks, n).empty());
    CHECK(flaw_of(looped_bfs{.chunks = chunks, .newest_first = true}, ranks * chunks, ranks, n).empty());
  }
  auto const large = facts_of(interleaved{.chunks = 4}, 256, 64, 128);
  CHECK(large.makespan == 1725);
  CHECK(large.idle == 189);
}

TEST_CASE("a rank's list of interleaved, as its authors draw it", "[schedule]") {
  program p = generate(interleaved{}, on_loop(4, 8));
  std::string text;
  for (op const& o : p.view().rank(3).subspan(0, 8))
    text += std::string(name(o.kind)) + std::to_string(o.stage) + '.' + std::to_string(o.microbatch) + ' ';
  CHECK(text == "F3.0 F3.1 F3.2 F3.3 F7.0 BW7.0 F7.1 BW7.1 ");
}

TEST_CASE("breadth-first takes as long in either order of its backwards, and saves all microbatches", "[schedule]") {
  for (int ranks : {1, 2, 4})
    for (int chunks : {1, 2, 3})
      for (int n : {4, 6, 8})
        for (bool newest_first : {false, true}) {
          auto const m = facts_of(looped_bfs{.chunks = chunks, .newest_first = newest_first}, ranks * chunks, ranks, n);
          CHECK(m.makespan == 3 * n * chunks + 3 * (ranks - 1));
          CHECK(m.peaks == std::vector<int>(static_cast<std::size_t>(ranks), n * chunks));
        }
  CHECK_THAT(flaw_of(looped_bfs{.chunks = -1}, 4, 2, 2), Catch::Contains(".chunks = -1"));
}

TEST_CASE("chunks of several stages and of different length run, for any N", "[schedule]") {
  for (int ranks = 1; ranks <= 4; ++ranks)
    for (int chunks = 1; chunks <= 3; ++chunks)
      for (int stages = ranks; stages <= ranks * chunks + 4; ++stages)
        for (int n : {1, 2, 3, 5, 8, 9}) {
          INFO(stages << " stages on " << ranks << " ranks, " << chunks << " chunks, N " << n);
          CHECK(flaw_of(interleaved{.chunks = chunks, .uneven = true}, stages, ranks, n).empty());
          CHECK(flaw_of(looped_bfs{.chunks = chunks}, stages, ranks, n).empty());
        }
  CHECK(ranks_for(interleaved{.chunks = 4}, 8) == 2);
  CHECK(ranks_for<interleaved>(7) == 4);
}
