// Makespans, idle times and utilisation against the literature's closed forms.
#include <algorithm>

#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/parse.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>

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

TEST_CASE("stages with durations of their own") {
  program p = generate(gpipe{}, {2, 2, 3});
  // F 2 then 1, BW 5 then 7: the second stage ends its forwards at 7 and its backwards at 7 + 21; the first's last takes 5.
  stage_costs const own[] = {{.forward = 2, .backward = 1, .weight = 4, .update = 0.5}, {.backward = 3, .weight = 4}};
  CHECK(replay(p.view(), {.forward = 99, .update = 99, .of_stage = own}).makespan == 7 + 21 + 5 + 0.5);
  double const factors[] = {1, 2};
  CHECK(replay(p.view(), {.stage_factor = factors, .of_stage = own}).makespan == 8 + 42 + 5 + 0.5);
  stage_costs const bad[] = {{}, {.weight = -3}};
  CHECK_THROWS_WITH(replay(p.view(), {.of_stage = bad}), Catch::Contains("cost of -3 of a stage"));
  CHECK_THROWS_WITH(replay(p.view(), {.of_stage = std::span(own).first(1)}), Catch::Contains("the costs of 1 stages"));
}

TEST_CASE("messages between ranks cost latency, within a rank nothing") {
  program p = generate(one_f_one_b{}, {4, 4, 16});
  CHECK(replay(p.view(), {.message = 0}).makespan == 57);
  CHECK(replay(p.view(), {.message = 1}).makespan == 85);
  CHECK(replay(p.view(), {.message = 2}).makespan == 113);
  program q = generate(one_f_one_b{}, {4, 1, 2});
  CHECK(replay(q.view(), {.message = 5}).makespan == replay(q.view()).makespan);
}

TEST_CASE("messages that take as long as several ops: the closed forms of whole runs and of the long run") {
  double const f = 3, b = 6;
  for (int ranks : {2, 4, 7})
    for (int n : {1, 8, 20})
      for (double l : {0.0, 1.0, 10.0}) {
        INFO(ranks << " ranks, N " << n << ", latency " << l);
        costs const cost{.forward = f, .backward = b, .weight = 0, .message = l, .side_by_side = false};
        extent const e{ranks, ranks, n};
        auto const each = [&](program p) {  // of a minibatch in the long run: over whole rounds
          int const fill = 40, rounds = ranks * (2 * ranks - 1);
          timing const few = replay(p.view(), cost, fill), many = replay(p.view(), cost, fill + rounds);
          return (many.makespan - few.makespan) / rounds;
        };
        // All forwards, then all backwards: the first message of each way is waited for once by every rank.
        double const flushed = (n + ranks - 1) * (f + b) + 2 * (ranks - 1) * l;
        program g = generate(gpipe{}, e);
        CHECK(replay(g.view(), cost).makespan == Approx(flushed));
        CHECK(each(generate(gpipe{}, e)) == Approx(flushed));
        // R microbatches are between a forward of rank 0 and its backward, and go round together.
        double const round = ranks * (f + b) + 2 * (ranks - 1) * l;
        CHECK(each(generate(async_1f1b{}, e)) == Approx(n * std::max(f + b, round / ranks)));
        // 2R - 1 are.
        CHECK(each(generate(pipemare{}, e)) == Approx(n * std::max(f + b, round / (2 * ranks - 1))));
      }
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

TEST_CASE("what recomputation costs in time") {
  costs const heavy{.forward = 1, .backward = 1, .weight = 1};
  program p = generate(recomputed<gpipe>{.segment = 1}, {2, 2, 2});
  // Rank 0: F 0-1, F 1-2, R 2-3, B 5-7, R 7-8, B 8-10; rank 1: F 1-2, F 2-3, B 3-5, B 5-7.
  CHECK(replay(p.view(), heavy).makespan == 10);
  // Units side by side lose nothing; one op at a time, a rank that recomputes takes a third more per microbatch.
  program q = generate(recomputed<pipemare>{}, {9, 9, 4});
  auto const per_minibatch = [](program_view v, costs const& c) {
    return (replay(v, c, 24).makespan - replay(v, c, 20).makespan) / 4;
  };
  CHECK(per_minibatch(q.view(), heavy) == 4 * 2);
  CHECK(replay(q.view(), heavy).units == 3);
  costs one_at_a_time = heavy;
  one_at_a_time.side_by_side = false;
  CHECK(per_minibatch(q.view(), one_at_a_time) == 4 * (1 + 1 + 2));
  program r = generate(recomputed<async_1f1b>{}, {9, 9, 4});
  CHECK(per_minibatch(r.view(), heavy) == 4 * (1 + 1 + 2));
}

TEST_CASE("in a replay R waits for the R below it, and a backward for R") {
  extent const e{9, 9, 2};
  costs slow_forward{.forward = 5, .backward = 1, .weight = 1, .message = 0.5};
  double const factors[] = {1, 2, 1, 1, 3, 1, 1, 1, 2};
  slow_forward.stage_factor = factors;
  auto const check = [&](auto const& g, bool side_by_side) {
    slow_forward.side_by_side = side_by_side;
    program p = generate(g, e);
    timing const t = replay(p.view(), slow_forward, 8);
    std::vector<double> end_r(9 * 16, -1), end_f(9 * 16, -1);
    for (int s = 0; s < 9; ++s) {
      for (event const& x : t.events[static_cast<std::size_t>(s)]) {
        auto const c = static_cast<std::size_t>(s * 16 + x.what.microbatch);
        int const head = p.view().recompute[static_cast<std::size_t>(s)];
        if (x.what.kind == op_kind::F) end_f[c] = x.end;
        if (x.what.kind == op_kind::R) {
          CHECK(end_f[c] >= 0);
          CHECK(x.start >= end_f[c]);
          if (head < s) CHECK(x.start >= end_r[c - 16] + 0.5);
          end_r[c] = x.end;
        }
        if (x.what.kind != op_kind::BW || head < 0) continue;
        CHECK(end_r[c] >= 0);
        CHECK(x.start >= end_r[c]);
      }
    }
  };
  check(recomputed<pipemare>{}, true);
  check(recomputed<pipemare>{}, false);
  check(recomputed<async_1f1b>{}, true);
  check(recomputed<gpipe>{}, true);
}

TEST_CASE("costs and lengths that cannot be are refused") {
  program p = generate(gpipe{}, {2, 2, 2});
  std::vector<double> const one{1}, negative{1, -1};
  CHECK_THROWS_WITH(replay(p.view(), {.stage_factor = one}), Catch::Contains("1 factors, because there are 2 stages"));
  CHECK_THROWS_WITH(replay(p.view(), {.stage_factor = negative}), Catch::Contains("factor of -1"));
  CHECK_THROWS_WITH(replay(p.view(), {.forward = -2}), Catch::Contains("cost of -2"));
  CHECK_THROWS_WITH(replay(p.view(), {.message = std::numeric_limits<double>::quiet_NaN()}), Catch::Contains("cost of nan"));
  CHECK_THROWS_WITH(replay(p.view(), {}, -1), Catch::Contains("-1 minibatches"));
  CHECK_THROWS_WITH(replay(p.view(), {}, std::numeric_limits<int>::max()), Catch::Contains("replay fewer"));
  CHECK(replay(p.view(), {}, 0).makespan == 0);
}

TEST_CASE("ops that overlap begin and send together") {
  program q = parse("F0 F1 B0 B1 U1\nF0 B0 F1 B1 U1", 2, 2);
  std::vector<char> pairs(q.view().ops.size(), 0);
  CHECK(replay(q.view(), {.overlaps = pairs}).makespan == replay(q.view()).makespan);
  pairs[1] = 1;  // F1 of rank 0 waits for the gradient of BW0, which needs F0 alone
  timing const t = replay(q.view(), {.overlaps = pairs});
  CHECK(t.events[0][1].start == 4);
  CHECK(t.events[0][1].end == 5);
  CHECK(t.events[0][1].waited_rank == 1);
  CHECK(t.events[0][2].start == 5);
  CHECK(t.events[0][2].end == 7);
  CHECK(t.events[1][2].start == 7);  // F1 of rank 1 has its input when the pair has ended
  CHECK(t.makespan == 12);
  pairs[1] = 0, pairs[5] = 1;  // F0 and BW0 of the last stage
  CHECK_THROWS_WITH(replay(q.view(), {.overlaps = pairs}),
                    Catch::Contains("cannot overlap F(stage 1, microbatch 0) on rank 1"));
  CHECK_THROWS_WITH(replay(q.view(), {.overlaps = std::span<char const>(pairs).first(2)}), Catch::Contains("for 2 ops"));
}
