// Lists in any order that can run, on any placement, with any costs: a replay starts no op before its inputs, and what it
// says of idle time and memory adds up.
#include <foal/schedule/proof/replay.hpp>

#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <tuple>

#include <foal/schedule/cost/idle.hpp>
#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/csv.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/generate.hpp>

#include "tests/schedule/plain_run.hpp"

using namespace foal::schedule;

namespace {

using list = std::vector<op>;

struct random_lists {
  std::mt19937 random;
  int below(int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); }

  /// Any op that can run, time after time; forwards and backwards in the order of their microbatches.
  std::vector<list> sound(extent e, std::vector<int> const& rank, bool split) {
    std::vector<list> ranks(static_cast<std::size_t>(e.ranks));
    foal::test::plain_run run(e, {e.microbatches});
    std::vector<std::array<int, 4>> next(static_cast<std::size_t>(e.stages), {0, 0, 0, 0});  // F, B, W, U of a stage
    int const n = e.microbatches;
    while (true) {
      std::vector<op> can;
      for (int s = 0; s < e.stages; ++s) {
        auto const& at = next[static_cast<std::size_t>(s)];
        auto const offer = [&](op_kind k, int m) {
          if (op const o{.kind = k, .stage = s, .microbatch = m}; run.ready(o)) can.push_back(o);
        };
        if (at[0] < n) offer(op_kind::F, at[0]);
        if (at[1] < n) offer(split ? op_kind::B : op_kind::BW, at[1]);
        if (split && at[2] < at[1]) offer(op_kind::W, at[2]);
        if (at[3] == 0) offer(op_kind::U, n - 1);
      }
      if (can.empty()) return ranks;
      op const o = can[static_cast<std::size_t>(below(static_cast<int>(can.size())))];
      run.run(o);
      ++next[static_cast<std::size_t>(o.stage)][o.kind == op_kind::F   ? 0
                                                : is_backward(o.kind)  ? 1
                                                : o.kind == op_kind::W ? 2
                                                                       : 3];
      ranks[static_cast<std::size_t>(rank[static_cast<std::size_t>(o.stage)])].push_back(o);
    }
  }
};

void check_times(program_view v, costs const& cost) {
  timing const t = replay(v, cost);
  dependencies const rule(v);
  std::vector<int> const rank = ranks_of(v);
  std::map<std::tuple<op_kind, int, int>, event> all;
  std::size_t count = 0;
  for (auto const& events : t.events) {
    double end = 0;
    for (event const& e : events) {
      CHECK(e.start >= end);
      end = e.end;
      all[{e.what.kind, e.what.stage, e.what.microbatch}] = e;
      if (e.what.kind == op_kind::BW) all[{op_kind::B, e.what.stage, e.what.microbatch}] = e;
      if (e.what.kind == op_kind::B) all[{op_kind::BW, e.what.stage, e.what.microbatch}] = e;
      ++count;
    }
  }
  CHECK(count == v.ops.size());
  for (auto const& events : t.events)
    for (event const& e : events)
      rule.for_each_input(e.what, [&](input const& in) {
        event const& made = all.at({in.kind, in.stage, in.microbatch});
        CHECK(e.start >= made.end + (made.rank == e.rank ? 0 : cost.message));
      });
  std::vector<double> gaps(t.rank.size(), 0);
  for (gap const& g : t.gaps) gaps[static_cast<std::size_t>(g.rank)] += g.length;
  auto const idle = idle_of(t);
  auto const held = saved_over_time(v, t);
  for (std::size_t r = 0; r < gaps.size(); ++r) {
    CHECK(gaps[r] == Approx(t.rank[r].idle).margin(1e-9));
    CHECK(idle[r].sum() == Approx(t.rank[r].idle).margin(1e-9));
    CHECK(held[r].curve.back().second == 0);
  }
}

}  // namespace

TEST_CASE("lists in any order that can run, whatever R, V, N and the costs", "[schedule]") {
  random_lists lists_of{std::mt19937(7)};
  for (int trial = 0; trial < 1000; ++trial) {
    auto const below = [&](int n) { return lists_of.below(n); };
    int const ranks = 1 + below(4), stages = ranks * (1 + below(3)) - (ranks > 1 ? below(2) : 0);
    placement const placements[] = {contiguous, loop, vee};
    extent const e{
        .stages = std::max(stages, ranks), .ranks = ranks, .microbatches = 1 + below(5), .placed = placements[below(3)]};
    std::vector<int> rank;
    for (int s = 0; s < e.stages; ++s) rank.push_back(rank_of(e, s));
    std::vector<list> ranks_lists = lists_of.sound(e, rank, below(2) == 0);
    program p(e, 0, false);
    for (int r = 0; r < e.ranks; ++r)
      for (op const& o : ranks_lists[static_cast<std::size_t>(r)]) p(r, o);
    verdict const found = prove(p.view());
    INFO("trial " << trial << "\n" << lists(p.view()) << text(found));
    REQUIRE(found);
    auto const cost = [&] { return 0.25 * (1 + below(12)); };
    std::vector<double> factors;
    for (int s = 0; s < e.stages; ++s) factors.push_back(cost());
    check_times(
        p.view(),
        {.forward = cost(), .backward = cost(), .weight = cost(), .message = 0.25 * below(6), .stage_factor = factors});
    program again = from_csv(to_csv(p.view()));
    CHECK(prove(again.view()));
  }
}
