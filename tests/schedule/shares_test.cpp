// Which microbatches run through which replica, and which of them each U consumes.
#include <foal/schedule/shares.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>

#include "tests/support/schedules.hpp"

using namespace foal::schedule;

TEST_CASE("replicas share out a minibatch, and count their own microbatches", "[schedule]") {
  program p = generate(foal::test::two_way{}, foal::test::both_ways(4, 4, 5));
  shares const s(p.view());
  CHECK(s.positions(0) == std::vector<int>{0, 2, 4});
  CHECK(s.positions(1) == std::vector<int>{1, 3});
  CHECK(s.own({.microbatch = 3, .replica = 1}) == 1);
  CHECK(s.own({.microbatch = -2, .replica = 1}) == -1);
  CHECK(s.own({.microbatch = 7, .replica = 0}) == 4);
  CHECK(s.consumed({.kind = op_kind::U, .microbatch = 4, .replica = 1}) == 5);
  CHECK(s.ends_minibatch({.kind = op_kind::U, .microbatch = 4, .replica = 1}));
}

TEST_CASE("a U consumes what came since the one before", "[schedule]") {
  program p({.stages = 2, .ranks = 1, .microbatches = 4}, 0, false);
  for (int m = 0; m < 4; ++m) {
    for (int s = 0; s < 2; ++s) p(0, op{.kind = op_kind::F, .stage = s, .microbatch = m});
    for (int s = 1; s >= 0; --s) p(0, op{.kind = op_kind::BW, .stage = s, .microbatch = m});
    if (m == 0) p(0, op{.kind = op_kind::U, .stage = 1, .microbatch = m});
    if (m == 3)
      for (int s = 1; s >= 0; --s) p(0, op{.kind = op_kind::U, .stage = s, .microbatch = m});
  }
  shares const of(p.view());
  auto const update = [](int stage, int m) { return op{.kind = op_kind::U, .stage = stage, .microbatch = m}; };
  CHECK(of.consumed(update(1, 0)) == 1);
  CHECK(of.consumed(update(1, 3)) == 3);
  CHECK(of.consumed(update(0, 3)) == 4);
  CHECK_FALSE(of.ends_minibatch(update(1, 0)));
  CHECK(of.ends_minibatch(update(1, 3)));
}
