// Makespans, idle times and utilisation against the literature's closed forms.
#include <catch2/catch.hpp>

#include <foal/schedule/async_1f1b.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/gpipe.hpp>
#include <foal/schedule/one_f_one_b.hpp>
#include <foal/schedule/pipemare.hpp>
#include <foal/schedule/replay.hpp>
#include <foal/schedule/sequential.hpp>

using namespace foal::schedule;

namespace {

template <class G>
constexpr bool takes(G const& g, extent e, costs const& cost, double makespan, double idle) {
  timing const t = replay(generate(g, e).view(), cost);
  for (rank_time const& r : t.rank) {
    if (r.idle != idle) return false;
  }
  return t.makespan == makespan;
}

template <class G>
double makespan(G const& g, extent e, std::vector<double> const& factors) {
  program p = generate(g, e);
  return replay(p.view(), {.stage_factor = factors}).makespan;
}

}  // namespace

// (N + R - 1)(tF + tBW), idle (R - 1)(tF + tBW) on every rank; F = 1, BW = 2 unless said.
static_assert(takes(gpipe{}, {4, 4, 8}, {}, 33, 9));
static_assert(takes(one_f_one_b{}, {4, 4, 8}, {}, 33, 9));
static_assert(takes(one_f_one_b{}, {8, 8, 16}, {}, 69, 21));
static_assert(takes(one_f_one_b{}, {3, 3, 4}, {.backward = 0.5, .weight = 0.5}, 12, 4));
static_assert(takes(sequential{}, {4, 4, 8}, {}, 96, 72));

TEST_CASE("unequal stages") {
  CHECK(makespan(one_f_one_b{}, {4, 4, 8}, {1, 1, 1, 3}) == 81);
  CHECK(makespan(one_f_one_b{}, {4, 4, 8}, {3, 1, 1, 1}) == 72);
  CHECK(makespan(one_f_one_b{}, {4, 4, 8}, {1, 2, 1, 1}) == 53);
}

TEST_CASE("messages between ranks cost latency, within a rank nothing") {
  program p = generate(one_f_one_b{}, {4, 4, 16});
  CHECK(replay(p.view(), {.message = 0}).makespan == 57);
  CHECK(replay(p.view(), {.message = 1}).makespan == 85);
  CHECK(replay(p.view(), {.message = 2}).makespan == 113);
  program q = generate(one_f_one_b{}, {4, 1, 2});
  CHECK(replay(q.view(), {.message = 5}).makespan == replay(q.view()).makespan);
}

TEST_CASE("utilisation in the long run") {
  for (int n : {1, 3, 8}) {
    for (int ranks : {1, 2, 5}) {
      extent const e{ranks, ranks, n};
      program g = generate(gpipe{}, e), o = generate(one_f_one_b{}, e), a = generate(async_1f1b{}, e),
              p = generate(pipemare{}, e);
      CHECK(steady_utilisation(g.view()) == Approx(static_cast<double>(n) / (n + ranks - 1)));
      CHECK(steady_utilisation(o.view()) == Approx(static_cast<double>(n) / (n + ranks - 1)));
      CHECK(steady_utilisation(a.view()) == Approx(1));
      CHECK(steady_utilisation(p.view()) == Approx(1));
      CHECK(steady_utilisation(p.view(), {.side_by_side = false}) == Approx(1));
    }
  }
  // The abstract's "14.3x higher utilisation" is 107 stages with 8 microbatches.
  program g = generate(gpipe{}, {107, 107, 8});
  CHECK(1 / steady_utilisation(g.view()) == Approx(14.25));
}

TEST_CASE("units side by side overlap, one unit does not") {
  program p = generate(pipemare{}, {1, 1, 1});
  costs const equal{.backward = 0.5, .weight = 0.5};
  costs serial = equal;
  serial.side_by_side = false;
  timing const two = replay(p.view(), equal, 2), one = replay(p.view(), serial, 2);
  CHECK(two.units == 2);
  CHECK(one.units == 1);
  CHECK(two.makespan == 3);  // F1 runs beside BW0
  CHECK(two.rank[0].busy == 3);
  CHECK(one.makespan == 4);
}

TEST_CASE("an update follows the forward beside it and holds up the next") {
  program p = generate(pipemare{}, {1, 1, 1});
  timing const t = replay(p.view(), {.forward = 4, .backward = 0.5, .weight = 0.5, .update = 2}, 2);
  // F0 0-4, F1 4-8 beside BW0 4-5, U0 8-10 after F1, BW1 10-11 (its unit is busy with U0), U1 11-13.
  CHECK(t.makespan == 13);
}

TEST_CASE("every gap names what it waited for") {
  program p = generate(one_f_one_b{}, {2, 2, 2});
  timing const t = replay(p.view());
  // rank 0: F0 0-1, F1 1-2, gap 2-4 until BW(1,0) is over at 4, BW0 4-6, gap 6-7 until BW(1,1), BW1 7-9.
  REQUIRE(t.gaps.size() == 4);
  CHECK(t.gaps[0].rank == 0);
  CHECK(t.gaps[0].start == 2);
  CHECK(t.gaps[0].length == 2);
  CHECK(t.gaps[0].before.kind == op_kind::BW);
  CHECK(t.gaps[0].waits_rank == 1);
  CHECK(t.gaps[0].waits_for.kind == op_kind::BW);
  CHECK(t.gaps[0].waits_for.stage == 1);
  CHECK(t.gaps[0].waits_for.microbatch == 0);
  CHECK(t.gaps[1].length == 1);
  CHECK(t.gaps[2].rank == 1);
  CHECK(t.gaps[2].waits_for.kind == op_kind::F);
  CHECK(t.gaps[2].length == 1);
  CHECK(t.gaps[3].waits_rank == -1);  // nothing left to run
  CHECK(t.gaps[3].length == 2);
  double idle = 0;
  for (gap const& g : t.gaps) idle += g.length;
  CHECK(idle == t.rank[0].idle + t.rank[1].idle);
}
