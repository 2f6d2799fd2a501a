// What ranks hold over time, against closed forms and a count of every op.
#include <foal/schedule/cost/memory.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/csv.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/forward_only.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

#include "tests/support/schedules.hpp"

using namespace foal::schedule;

namespace {

constexpr bool peaks(program p, std::initializer_list<int> expected, int minibatches = 1, costs const& cost = {}) {
  std::vector<rank_memory> const all = saved_over_time(p.view(), replay(p.view(), cost, minibatches));
  std::size_t r = 0;
  for (int const x : expected)
    if (all[r++].peak != x) return false;
  return r == all.size();
}
template <class G>
constexpr bool peaks(G const& g, extent e, std::initializer_list<int> expected, int minibatches = 1,
                     costs const& cost = {}) {
  return peaks(generate(g, e), expected, minibatches, cost);
}

template <class G>
constexpr bool lasts(G const& g, extent e, double makespan, double idle_worst) {
  program p = generate(g, e);
  timing const t = replay(p.view());
  double idle = 0;
  for (rank_time const& r : t.rank) idle = std::max(idle, r.idle);
  return t.makespan == makespan && idle == idle_worst;
}

}  // namespace

static_assert(lasts(gpipe{}, {4, 4, 8}, 33, 9) && peaks(gpipe{}, {4, 4, 8}, {8, 8, 8, 8}));
static_assert(lasts(one_f_one_b{}, {4, 4, 8}, 33, 9) && peaks(one_f_one_b{}, {4, 4, 8}, {4, 3, 2, 1}));
static_assert(lasts(one_f_one_b{}, {8, 8, 16}, 69, 21) && peaks(one_f_one_b{}, {8, 8, 16}, {8, 7, 6, 5, 4, 3, 2, 1}));

TEST_CASE("peaks are those of the closed forms") {
  CHECK(peaks(sequential{}, {4, 1, 8}, {1}));
  CHECK(peaks(gpipe{}, {4, 2, 3}, {3, 3}));  // neighbouring stages of a rank are one chunk
  CHECK(peaks(one_f_one_b{}, {8, 4, 8}, {4, 3, 2, 1}));
  CHECK(peaks(async_1f1b{}, {4, 4, 4}, {4, 3, 2, 1}, 4));
  CHECK(peaks(pipemare{}, {4, 4, 4}, {8, 6, 4, 2}, 6, {.side_by_side = false}));
  CHECK(peaks(forward_only{}, {3, 3, 4}, {1, 1, 1}));
  CHECK(peaks(zb_h1{}, {4, 4, 8}, {4, 4, 4, 4}));
  CHECK(peaks(two_bp{}, {4, 4, 8}, {8, 8, 8, 8}));
  // W later on the first rank than on the second.
  CHECK(peaks(from_csv("0F0,0F1,0F2,0I0,0I1,0I2,0W0,0W1,0W2\n1F0,1I0,1W0,1F1,1I1,1F2,1W1,1I2,1W2\n"), {3, 2}));
  CHECK(peaks(k_f_k_b{}, {4, 4, 16}, {8, 6, 4, 2}));
  extent const looped{.stages = 8, .ranks = 4, .microbatches = 8, .placed = loop};
  CHECK(peaks(folded<gpipe>{}, looped, {16, 16, 16, 16}));
  CHECK(peaks(foal::test::interleaved{}, looped, {11, 9, 7, 5}));
  extent const in_pairs{.stages = 8, .ranks = 2, .microbatches = 3, .placed = vee.in(2)};
  CHECK(peaks(folded<gpipe>{.placed = in_pairs.placed}, in_pairs, {6, 6}));
  extent parts{.stages = 2, .ranks = 2, .microbatches = 3, .segments = 2};
  CHECK(peaks(foal::test::in_segments{}, parts, {6, 6}));
}

TEST_CASE("a recomputed chunk is held from its R") {
  program p = generate(recomputed<gpipe>{}, {4, 4, 8});
  auto const all = saved_over_time(p.view(), replay(p.view()));
  CHECK(all[0].peak < 8);
  CHECK(all[3].peak == 8);  // the last stage is not recomputed
}

TEST_CASE("a curve is the count of what has begun and not ended") {
  program p = generate(foal::test::two_way{}, foal::test::both_ways(4, 4, 8));
  double const factors[] = {1, 2.5, 0.5, 1};
  timing const t = replay(p.view(), {.forward = 1, .backward = 2, .weight = 0.5, .message = 0.25, .stage_factor = factors});
  auto const all = saved_over_time(p.view(), t);
  for (std::size_t r = 0; r < all.size(); ++r) {
    int top = 0;
    for (std::size_t i = 0; i < all[r].curve.size(); ++i) {
      auto const [time, units] = all[r].curve[i];
      int count = 0;
      for (event const& e : t.events[r]) {
        if (e.what.kind == op_kind::F && e.start <= time) ++count;
        if (e.what.kind == op_kind::BW && e.end <= time) --count;
      }
      CHECK(count == units);
      CHECK((i == 0 || all[r].curve[i - 1].first < time));
      top = std::max(top, units);
    }
    CHECK(top == all[r].peak);
    CHECK(all[r].curve.back().second == 0);
  }
}

TEST_CASE("one op at a time, ranks hold what the analysis counts by slots") {
  for (extent const e : {extent{4, 4, 8}, extent{5, 5, 3}, extent{3, 3, 1}}) {
    auto const same = [&](auto const& g) {
      program p = generate(g, e);
      analysis const a = analyse(p.view());
      auto const all = saved_over_time(p.view(), replay(p.view()));
      for (int r = 0; r < e.ranks; ++r)
        CHECK(all[static_cast<std::size_t>(r)].peak == a.stage[static_cast<std::size_t>(r)].saved_peak);
    };
    same(gpipe{});
    same(one_f_one_b{});
  }
}
