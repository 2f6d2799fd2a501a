// The greedy order for given costs: what the authors' own program finds, its memory, any numbers.
#include <catch2/catch.hpp>

#include <algorithm>

#include <foal/schedule/rules/zb_auto.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

#include "tests/schedule/rules/split.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::schedule_facts;

static_assert(proof(zb_auto{}, {4, 4, 8}));

namespace {

zb_auto for_costs(costs const& d, int memory) {
  return {.forward = d.forward, .backward = d.backward, .weight = d.weight, .message = d.message, .memory = memory};
}

/// Its facts where it is made for the durations that it runs with, and how long the slowest rank takes.
std::pair<schedule_facts, double> found(int ranks, int n, costs const& d, int memory) {
  schedule_facts const f = facts_of(for_costs(d, memory), ranks, ranks, n, d);
  return {f, f.bubble + n * (d.forward + d.backward + d.weight)};
}

}  // namespace

TEST_CASE("Automatic zero bubble: times and peaks of the authors' program at R and 2 R microbatches a rank") {
  CHECK(found(4, 8, {}, 4).first.makespan == 27);
  CHECK(found(4, 8, {}, 8).second == 24);
  CHECK(found(4, 8, {2, 2, 1}, 4).first.makespan == 49);
  CHECK(found(4, 8, {2, 2, 1}, 8).second == 45);
  CHECK(found(4, 8, {10, 12, 8}, 4).first.makespan == 282);
  CHECK(found(4, 8, {10, 12, 8}, 8).second == 252);
  CHECK(found(8, 16, {}, 8).first.makespan == 55);
  CHECK(found(8, 16, {}, 16).second == 48);
  CHECK(found(8, 16, {2, 2, 1}, 8).first.makespan == 101);
  CHECK(found(8, 16, {2, 2, 1}, 16).second == 93);
}

TEST_CASE("Automatic zero bubble saves no more than it may, and is as good as the fixed order for its costs") {
  for (costs const& d : {costs{}, {2, 2, 1}, {10, 12, 8}, {3, 1, 5, 0, 2}, {1, 2, 1, 0, 1}, {1, 1, 1, 0, 0.25}})
    for (int ranks : {1, 2, 3, 4, 8})
      for (int n : {1, 2, 4, 8, 15})
        for (int memory : {1, 2, ranks, 2 * ranks, 100}) {
          INFO(d.forward << " " << d.backward << " " << d.weight << " " << d.message << ", " << ranks << " ranks, N " << n
                         << ", memory " << memory);
          zb_auto const g = for_costs(d, memory);
          foal::test::check_runs(g, ranks, ranks, n);
          schedule_facts const f = facts_of(g, ranks, ranks, n, d);
          for (int const peak : f.peaks) CHECK(peak <= memory);
          if (memory >= ranks && n >= ranks && d.message == 0)
            CHECK(f.bubble <= facts_of(zb_h1{}, ranks, ranks, n, d).bubble);
        }
  for (int stages = 1; stages <= 9; ++stages)
    for (int ranks = 1; ranks <= stages; ++ranks)
      for (int n : {1, 3, 8}) foal::test::check_runs(zb_auto{}, stages, ranks, n);
}

TEST_CASE("Automatic zero bubble runs on ranks of other lengths: none begins more forwards than the one before has") {
  for (int forward : {1, 2, 3})
    for (int backward : {1, 2, 3})
      for (int memory = 0; memory < 10; ++memory) {
        INFO("F " << forward << ", B " << backward << ", memory " << memory);
        zb_auto const g{.forward = 1.0 * forward, .backward = 1.0 * backward, .memory = memory};
        foal::test::check_runs(g, 11, 5, 7);
      }
}

TEST_CASE("Automatic zero bubble for stages that differ is what it is for equal ones where they are, and else better") {
  for (int memory : {0, 1, 6})
    for (int n : {1, 4, 7}) {
      std::vector<stage_times> const alike(5, {10, 12, 8, 20, 10, 0, 0, 3});
      program a = zb_auto_for({5, 3, n}, alike, memory);
      program b =
          generate(zb_auto{.forward = 10, .backward = 12, .weight = 8, .message = 3, .memory = memory}, extent{5, 3, n});
      CHECK(std::ranges::equal(a.view().ops, b.view().ops));
      std::vector<stage_times> const uneven{
          {1, 2, 1, 3}, {6, 8, 5, 13, 6, 0, 0, 2}, {2, 3, 2, 5}, {4, 1, 4, 5}, {3, 3, 1, 4}};
      program own = zb_auto_for({5, 4, n}, uneven, memory);
      CHECK(static_cast<bool>(prove(own.view())));
    }
  std::vector<stage_times> const uneven{{3, 6, 1.5, 7.5}, {6, 12, 3, 15}, {3, 6, 1.5, 7.5}};
  program own = zb_auto_for({3, 3, 6}, uneven), mean = generate(zb_auto{4, 8, 2}, extent{3, 3, 6});
  costs const cost{.stages = uneven};
  CHECK(replay(own.view(), cost).makespan < replay(mean.view(), cost).makespan);
  CHECK_THROWS_WITH(zb_auto_for({4, 4, 8}, std::vector<stage_times>(3)), Catch::Contains("times of 3 stages"));
  CHECK_THROWS_WITH(zb_auto_for({3, 3, 6}, uneven, -1), Catch::Contains(".memory = -1"));
}

TEST_CASE("Durations and memory that cannot be are refused") {
  CHECK_THROWS_WITH(generate(zb_auto{.weight = -1}, {4, 4, 8}), Catch::Contains("a duration of -1"));
  CHECK_THROWS_WITH(generate(zb_auto{.memory = -2}, {4, 4, 8}), Catch::Contains(".memory = -2"));
}
