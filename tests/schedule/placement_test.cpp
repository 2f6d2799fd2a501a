// Which rank hosts which stage of which replica, and how units and cells are numbered.
#include <set>

#include <catch2/catch.hpp>

#include <foal/schedule/cells.hpp>
#include <foal/schedule/placement.hpp>

using namespace foal::schedule;

namespace {

constexpr extent of(int stages, int ranks, placement p, int replicas = 1) {
  return {.stages = stages, .ranks = ranks, .microbatches = 4, .replicas = replicas, .placed = p};
}

/// Ranks of all units, as digits.
std::string ranks(extent e) {
  std::string text;
  for (int u = 0; u < units(e); ++u) text += static_cast<char>('0' + rank_of(e, stage_of(e, u), replica_of(e, u)));
  return text;
}

int swapped(spread of, int stage, int) { return of.ranks - 1 - stage * of.ranks / of.stages; }

}  // namespace

static_assert(rank_of({5, 2, 1}, 2) == 0 && rank_of({5, 2, 1}, 3) == 1 && rank_of({4, 4, 1}, 3) == 3);
static_assert(extent{4, 4, 8} == extent{4, 4, 8} && !(of(4, 2, loop) == of(4, 2, contiguous)));

TEST_CASE("the built-in placements", "[schedule]") {
  CHECK(ranks(of(7, 3, contiguous)) == "0001122");
  CHECK(ranks(of(7, 3, loop)) == "0120120");
  CHECK(ranks(of(8, 4, vee)) == "01233210");
  CHECK(ranks(of(8, 2, vee)) == "01100110");  // two waves
  CHECK(ranks(of(4, 4, bidirectional, 2)) == "01233210");
  CHECK(ranks(of(6, 3, bidirectional, 2)) == "001122221100");
}

TEST_CASE("stages that are no multiple of the chunks: runs of neighbours, the first ones a stage longer", "[schedule]") {
  CHECK(ranks(of(8, 2, loop.in(2))) == "00110011");
  CHECK(ranks(of(7, 2, loop.in(2))) == "0011001");
  CHECK(ranks(of(7, 2, vee.in(2))) == "0011110");
  CHECK(ranks(of(5, 3, loop.in(2))) == "01201");  // too few: the last rank has one
  CHECK(ranks(of(5, 3, vee.in(2))) == "01221");
  CHECK(ranks(of(4, 2, loop.in(1 << 30))) == "0101");
  CHECK(ranks(of(8, 4, loop.in(2), 2)) == "0011001122332233");  // two ranks for each replica
  CHECK(loop.in(2) == loop.in(2));
  CHECK_FALSE(loop.in(2) == loop);
}

TEST_CASE("pairs of replicas that run in opposite directions begin at ranks of their own", "[schedule]") {
  CHECK(ranks(of(4, 4, bidirectional, 4)) == "0123321023011032");
  CHECK(ranks(of(3, 3, bidirectional, 3)) == "012210120");
}

TEST_CASE("replicas have ranks of their own, side by side", "[schedule]") {
  CHECK(ranks(of(4, 4, contiguous, 2)) == "00112233");
  CHECK(ranks(of(4, 4, loop, 2)) == "01012323");
  CHECK(ranks(of(4, 4, vee, 2)) == "01102332");
  CHECK(ranks(of(3, 1, contiguous, 2)) == "000000");
  CHECK(ranks(of(2, 3, contiguous, 2)) == "0012");
}

TEST_CASE("a placement of one's own is a value with a function", "[schedule]") {
  placement const mine{"swapped", swapped};
  CHECK(ranks(of(4, 2, mine)) == "1100");
  CHECK(std::string(of(4, 2, mine).placed.name) == "swapped");
}

TEST_CASE("every placement stays on the ranks that there are", "[schedule]") {
  for (placement const p : {contiguous, loop, loop.in(2), vee, vee.in(2), vee.in(4), bidirectional})
    for (int stages = 1; stages <= 9; ++stages)
      for (int ranks = 1; ranks <= stages; ++ranks)
        for (int replicas : {1, 2, 3, 4}) {
          extent const e = of(stages, ranks, p, replicas);
          std::set<int> used;
          for (int u = 0; u < units(e); ++u) used.insert(rank_of(e, stage_of(e, u), replica_of(e, u)));
          INFO(p.name << ' ' << stages << ' ' << ranks << ' ' << replicas);
          CHECK(*used.begin() == 0);
          CHECK(*used.rbegin() == ranks - 1);
          CHECK(used.size() == static_cast<std::size_t>(ranks));
        }
}

TEST_CASE("units and cells have one numbering", "[schedule]") {
  extent const e{.stages = 3, .ranks = 3, .microbatches = 4, .replicas = 2, .segments = 2};
  cells const c(e);
  std::set<int> seen;
  for (int u = 0; u < units(e); ++u) {
    CHECK(unit_of(e, stage_of(e, u), replica_of(e, u)) == u);
    for (int j = 0; j < 4; ++j)
      for (int k = 0; k < 2; ++k) seen.insert(c.at(u, j, k));
  }
  CHECK(seen.size() == 48);
  CHECK(*seen.rbegin() == 47);
  CHECK(c.position(-1) == 3);
  CHECK(cells(extent{3, 3, 4}).at(2, 1) == 9);
}
