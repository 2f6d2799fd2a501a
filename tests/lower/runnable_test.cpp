// Programs that are proved and that no run can do yet.
#include <foal/lower/runnable.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/pipemare.hpp>

#include "tests/support/schedules.hpp"

using namespace foal;
using foal::test::often;

namespace {

template <class Schedule>
void check(Schedule const& g, int stages, int ranks, int microbatches) {
  schedule::program p = schedule::generate(g, schedule::extent_of(g, stages, ranks, microbatches));
  REQUIRE(schedule::prove(p.view()));
  lower::check_runnable(p.view());
}

}  // namespace

TEST_CASE("segments and several updates are refused with a sentence, placements and replicas are not", "[lower]") {
  CHECK_NOTHROW(check(schedule::folded<schedule::pipemare>{.placed = schedule::vee}, 4, 2, 3));
  CHECK_NOTHROW(check(test::interleaved{}, 4, 2, 2));
  CHECK_NOTHROW(check(often{.every = 4}, 2, 2, 4));
  CHECK_NOTHROW(check(test::two_way{}, 4, 4, 4));
  schedule::program idle = schedule::generate(test::two_way{}, test::both_ways(4, 4, 1));
  CHECK_THROWS_WITH(lower::check_runnable(idle.view()),
                    Catch::Contains("cannot train 2 replicas with 1 microbatches") && Catch::Contains("replica 1"));
  CHECK_THROWS_WITH(check(test::in_segments{}, 2, 2, 2), Catch::Contains("in 2 segments") && Catch::Contains("1 segment"));
  CHECK_THROWS_WITH(check(often{.every = 2}, 2, 2, 4),
                    Catch::Contains("stage 0 with 2 updates in a minibatch of 4 microbatches"));
}
