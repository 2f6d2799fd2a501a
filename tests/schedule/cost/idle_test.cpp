// Idle time and its reasons, in one minibatch and in the long run.
#include <foal/schedule/cost/idle.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/parse.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>

using namespace foal::schedule;

TEST_CASE("every gap has a reason, and their sums are the idle time") {
  program p = generate(gpipe{}, {3, 3, 2});
  timing const t = replay(p.view());
  auto const idle = idle_of(t);
  CHECK(t.makespan == 12);
  CHECK(idle[0].fill == 0);
  CHECK(idle[0].waiting == 6);
  CHECK(idle[1].fill == 1);
  CHECK(idle[1].waiting == 3);
  CHECK(idle[1].drain == 2);
  CHECK(idle[2].fill == 2);
  CHECK(idle[2].drain == 4);
  std::vector<double> sum(3, 0);
  for (gap const& g : t.gaps) sum[static_cast<std::size_t>(g.rank)] += g.length;
  for (std::size_t r = 0; r < 3; ++r) {
    CHECK(sum[r] == t.rank[r].idle);
    CHECK(sum[r] == idle[r].sum());
  }
  CHECK(text(t.gaps[0]) == "to run BW(stage 0, microbatch 0) on rank 0 it waits for BW(stage 1, microbatch 0) on rank 1");
  CHECK(text(t.gaps.back()) == "nothing is left to run");
}

TEST_CASE("in the long run an asynchronous list is never idle, one with a flush always by as much") {
  costs const one{.side_by_side = false};
  for (int n : {1, 3, 8}) {
    auto const busy = [&](program p) {
      steady_state const s = steady_of(p.view(), one);
      CHECK(s.minibatch == 3 * n);
      for (double const idle : s.idle) CHECK(idle == 0);
    };
    busy(generate(async_1f1b{}, {4, 4, n}));
    busy(generate(pipemare{}, {4, 4, n}));
  }
  program p = generate(one_f_one_b{}, {4, 4, 8});
  steady_state const s = steady_of(p.view(), one);
  CHECK(s.minibatch == 33);
  for (double const idle : s.idle) CHECK(idle == 9);
  // ZB-H2: every rank begins its next minibatch when it has ended its last one.
  program z = parse("F0 F1 F2 B0 W0 B1 W1 B2 W2 U2\nF0 B0 F1 B1 F2 B2 W0 W1 W2 U2", 2, 3);
  CHECK(replay(z.view(), one).makespan == 10);
  CHECK(steady_of(z.view(), one).minibatch == 9);
}

TEST_CASE("the gaps of a minibatch in the middle add up to its idle time") {
  program p = generate(async_1f1b{}, {3, 3, 4});
  double const factors[] = {1, 3, 2};
  steady_state const s = steady_of(p.view(), {.message = 0.5, .stage_factor = factors, .side_by_side = false});
  std::vector<double> sum(3, 0);
  for (gap const& g : s.run.gaps)
    if (g.start >= s.from && g.start < s.from + s.minibatch) sum[static_cast<std::size_t>(g.rank)] += g.length;
  CHECK(s.minibatch == 36);
  for (std::size_t r = 0; r < 3; ++r) CHECK(sum[r] == Approx(s.idle[r]));
}
