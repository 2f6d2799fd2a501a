// 2BP over other schedules: W leaves the critical path, and is paid in memory.
#include <catch2/catch.hpp>

#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/zb_v.hpp>

#include "tests/schedule/rules/split.hpp"
#include "tests/support/schedules.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::schedule_facts;

static_assert(proof(two_bp{}, {4, 4, 8}));
static_assert(proof(two_bp<gpipe>{}, {4, 4, 8}));
static_assert(proof(two_bp{}, {107, 107, 4}));

TEST_CASE("2BP: a bubble of (R - 1)(tF + tB), at N microbatches a rank") {
  CHECK(facts_of(two_bp<gpipe>{}, 4, 4, 4) == schedule_facts{.makespan = 18, .idle = 6, .bubble = 6, .peaks = {4, 4, 4, 4}});
  CHECK(facts_of(two_bp{}, 4, 4, 8) == schedule_facts{30, 6, 6, {8, 8, 8, 8}});
  CHECK(std::string(two_bp<>::name) == "two_bp");
  CHECK(std::string(two_bp<gpipe>::name) == "gpipe_two_bp");
}

TEST_CASE("2BP goes over chunks, replicas, and what is split already") {
  foal::test::check_runs(two_bp<foal::test::interleaved>{}, 8, 4, 8);
  foal::test::check_runs(two_bp<zb_v>{}, 7, 4, 3);
  foal::test::check_runs(two_bp<foal::test::two_way>{}, 4, 4, 8);
  foal::test::check_runs(two_bp{}, 9, 2, 5);
}

TEST_CASE("2BP over what has no last backward is refused") {
  CHECK_THROWS_WITH(generate(two_bp<paci>{.base = {.every = 2}}, {4, 4, 4}), Catch::Contains("asynchronous"));
}
