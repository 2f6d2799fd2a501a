// Programs that are proved and that no run can do, and what a run can do.
#include <foal/schedule/rules/paci.hpp>
#include <foal/table/runnable.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/pipemare.hpp>

#include "tests/support/schedules.hpp"

using namespace foal;
using schedule::op;
using schedule::op_kind;

namespace {

template <class Schedule>
void check(Schedule const& g, int stages, int ranks, int microbatches) {
  schedule::program p = schedule::generate(g, schedule::extent_of(g, stages, ranks, microbatches));
  REQUIRE(schedule::prove(p.view()));
  table::check_runnable(p.view(), Schedule::name);
}

void check(schedule::program p) { table::check_runnable(p.view(), "many"); }

/// Tables of two stages with one phase.
table::run_tables tables_of(schedule::program p, int updates = 1) {
  table::run_tables t;
  t.stages.resize(2);
  table::phase_table phase;
  phase.name = "many";
  phase.facts.stage.resize(static_cast<std::size_t>(units(p.size())));
  phase.program = std::move(p);
  phase.reads.updates.assign(2, updates);
  t.phases.push_back(std::move(phase));
  return t;
}

}  // namespace

TEST_CASE("a run takes placements, segments, replicas and several updates", "[table]") {
  CHECK_NOTHROW(check(schedule::folded<schedule::pipemare>{.placed = schedule::vee}, 4, 2, 3));
  CHECK_NOTHROW(check(test::interleaved{}, 4, 2, 2));
  CHECK_NOTHROW(check(schedule::paci{.every = 4}, 2, 2, 4));
  CHECK_NOTHROW(check(schedule::paci{.every = 2}, 2, 2, 4));
  CHECK_NOTHROW(check(test::two_way{}, 4, 4, 4));
  CHECK_THROWS_WITH(check(schedule::generate(test::two_way{}, test::both_ways(4, 4, 1))),
                    Catch::Contains("cannot run many with 2 replicas and 1 microbatches") && Catch::Contains("replica 1"));
  CHECK_NOTHROW(check(test::in_segments{}, 2, 2, 2));
  table::run_tables t =
      tables_of(schedule::generate(test::in_segments{}, schedule::extent_of(test::in_segments{}, 2, 2, 2)));
  t.segments = 2;
  CHECK_NOTHROW(table::check_runnable(t));
  t.segments = 1;
  CHECK_THROWS_WITH(table::check_runnable(t), Catch::Contains("cannot run many with microbatches in 2 segments, because the "
                                                              "run has them in 1"));
}

TEST_CASE("ops that a run does not have are refused with a sentence", "[table]") {
  schedule::program sum({.stages = 2, .ranks = 1, .microbatches = 2}, 4, true), tied = sum;
  sum(0, op{.kind = op_kind::G, .stage = 1});
  tied(0, op{.kind = op_kind::T, .stage = 1});
  CHECK_THROWS_WITH(check(sum), Catch::Contains("it has G of stage 1"));
  CHECK_THROWS_WITH(check(tied), Catch::Contains("it has T of stage 1"));
  schedule::program twice({.stages = 2, .ranks = 1, .microbatches = 2, .replicas = 2}, 4, true);
  for (int m = 0; m < 2; ++m) twice(0, op{.kind = op_kind::U, .stage = 1, .microbatch = m});
  CHECK_THROWS_WITH(check(twice), Catch::Contains("2 replicas, because stage 1 has several updates in a minibatch of 2"));
}

TEST_CASE("what phases must have in common, and what layers do not allow", "[table]") {
  schedule::program const one({.stages = 2, .ranks = 2, .microbatches = 2}, 4, false);
  CHECK_NOTHROW(table::check_runnable(tables_of(one)));
  table::run_tables more = tables_of(one);
  more.replicas = 2;
  CHECK_THROWS_WITH(table::check_runnable(more), Catch::Contains("cannot run many with 1 replicas, because the run has 2"));
  table::run_tables several = tables_of(one, 2);
  CHECK(table::most_updates(several) == 2);
  CHECK_NOTHROW(table::check_runnable(several));
  several.thick = true;
  CHECK_THROWS_WITH(table::check_runnable(several),
                    Catch::Contains("cannot run many with 2 updates") && Catch::Contains("accumulate::thick"));
  several.thick = false;
  several.stages[1].loans.push_back({});
  CHECK_THROWS_WITH(table::check_runnable(several), Catch::Contains("cannot train tied weights of stage 1 with 2 updates"));
}
