// The closed forms of delays and memory, and the analysis against a run that counts everything one op at a time.
#include <algorithm>
#include <tuple>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/forward_only.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/unroll.hpp>

using namespace foal::schedule;

namespace {

template <class G, class Member>
constexpr bool each(G const& g, extent e, Member member, std::initializer_list<int> expected) {
  analysis const a = analyse(generate(g, e).view());
  int s = 0;
  for (int const x : expected) {
    if (a.stage[static_cast<std::size_t>(s++)].*member != x) return false;
  }
  return s == e.stages;
}

template <class G>
constexpr int sum(G const& g, extent e, int stage_facts::*member) {
  int total = 0;
  for (stage_facts const& x : analyse(generate(g, e).view()).stage) total += x.*member;
  return total;
}

template <class G>
constexpr bool tau_is(G const& g, extent e, int (*numerator)(int, int), bool backward_live) {
  analysis const a = analyse(generate(g, e).view());
  for (int s = 0; s < e.stages; ++s) {
    stage_facts const& x = a.stage[static_cast<std::size_t>(s)];
    if (x.tau_fwd != static_cast<double>(numerator(e.stages, s)) / e.microbatches) return false;
    if (backward_live && x.tau_bkwd != 0) return false;
  }
  return true;
}

// Slots from F to B of a microbatch: with one op of a kind a slot, the distance in microbatches.
template <class G>
constexpr bool distances(G const& g, extent e, int slots_per_microbatch, std::initializer_list<int> expected) {
  program p = generate(g, e);
  program_view const v = p.view();
  timeline t;
  if (!index(v, t)) return false;
  int s = 0;
  for (int const x : expected) {
    for (int j = 0; j < e.microbatches; ++j) {
      auto const c = static_cast<std::size_t>(t.at(s, j));
      int const far = t.slot[static_cast<std::size_t>(t.backward[c])] - t.slot[static_cast<std::size_t>(t.forward[c])];
      if (far / slots_per_microbatch != x) return false;
    }
    ++s;
  }
  return s == e.stages;
}

}  // namespace

// GPipe and 1F1B: no delay; saved N, and min(R - s, N).
static_assert(each(gpipe{}, {4, 4, 8}, &stage_facts::delay, {0, 0, 0, 0}));
static_assert(each(gpipe{}, {4, 4, 8}, &stage_facts::saved_peak, {8, 8, 8, 8}));
static_assert(each(one_f_one_b{}, {4, 4, 8}, &stage_facts::delay, {0, 0, 0, 0}));
static_assert(each(one_f_one_b{}, {4, 4, 8}, &stage_facts::saved_peak, {4, 3, 2, 1}));
static_assert(each(one_f_one_b{}, {8, 8, 16}, &stage_facts::saved_peak, {8, 7, 6, 5, 4, 3, 2, 1}));
static_assert(each(one_f_one_b{}, {4, 4, 2}, &stage_facts::saved_peak, {2, 2, 2, 1}));
static_assert(each(sequential{}, {4, 4, 8}, &stage_facts::saved_peak, {1, 1, 1, 1}));

// PipeDream's list: delay S - 1 - s whatever N is; with a stash of N = 1 as many versions as microbatches in flight; without
// one, one version, and backward reads the live one.
static_assert(each(async_1f1b{}, {4, 4, 1}, &stage_facts::delay, {3, 2, 1, 0}));
static_assert(each(async_1f1b{}, {4, 4, 8}, &stage_facts::delay, {3, 2, 1, 0}));
static_assert(each(async_1f1b{}, {4, 4, 1}, &stage_facts::version_gap, {3, 2, 1, 0}));
static_assert(each(async_1f1b{}, {4, 4, 8}, &stage_facts::saved_peak, {4, 3, 2, 1}));
static_assert(tau_is(
    async_1f1b{}, {4, 4, 1}, [](int stages, int s) { return stages - 1 - s; }, true));
static_assert(distances(async_1f1b{}, {4, 4, 8}, 2, {3, 2, 1, 0}));

// PipeMare: distance and delay 2(S - s) - 1, mean lag (2(S - s) - 1)/N, backward live; held sums to S^2, the peak to S^2 +
// S.
static_assert(distances(pipemare{}, {4, 4, 8}, 1, {7, 5, 3, 1}));
static_assert(each(pipemare{}, {4, 4, 8}, &stage_facts::delay, {7, 5, 3, 1}));
static_assert(tau_is(
    pipemare{}, {4, 4, 8}, [](int stages, int s) { return 2 * (stages - s) - 1; }, true));
static_assert(tau_is(
    pipemare{}, {9, 9, 3}, [](int stages, int s) { return 2 * (stages - s) - 1; }, true));
static_assert(each(pipemare{}, {4, 4, 8}, &stage_facts::saved_peak, {8, 6, 4, 2}));
static_assert(sum(pipemare{}, {9, 9, 4}, &stage_facts::saved_held) == 9 * 9);
static_assert(sum(pipemare{}, {9, 9, 4}, &stage_facts::saved_peak) == 9 * 9 + 9);
static_assert(each(pipemare{}, {1, 1, 2}, &stage_facts::delay, {1}));

// Several stages on a rank share its delay.
static_assert(each(pipemare{}, {4, 2, 3}, &stage_facts::delay, {3, 3, 1, 1}));
static_assert(each(async_1f1b{}, {4, 2, 3}, &stage_facts::delay, {1, 1, 0, 0}));

TEST_CASE("injected delays are what was asked for") {
  program p = generate(injected{{7, 5, 3, 0}}, {4, 1, 4});
  analysis const a = analyse(p.view());
  for (auto [s, d, gap] : {std::tuple{0, 7, 2}, {1, 5, 2}, {2, 3, 1}, {3, 0, 0}}) {
    CHECK(a.stage[static_cast<std::size_t>(s)].delay == d);
    CHECK(a.stage[static_cast<std::size_t>(s)].tau_fwd == d / 4.0);
    CHECK(a.stage[static_cast<std::size_t>(s)].tau_bkwd == 0);
    CHECK(a.stage[static_cast<std::size_t>(s)].version_gap == gap);
  }
  version_table const t = versions(p.view());
  for (int m = 0; m < 4; ++m) CHECK(t.forward_lag(1, m) == -floor_div(m - 5, 4));
}

TEST_CASE("PipeMare's versions are t - ceil((d - j)/N)") {
  extent const e{5, 5, 3};
  program p = generate(pipemare{}, e);
  version_table const t = versions(p.view());
  for (int s = 0; s < e.stages; ++s) {
    for (int j = 0; j < e.microbatches; ++j) {
      int const d = 2 * (e.stages - s) - 1;
      CHECK(t.forward_lag(s, j) == std::max(0, (d - j + e.microbatches - 1) / e.microbatches));
      CHECK(t.backward_lag(s, j) == 0);
    }
  }
}

namespace {

// Runs a program op by op, in (slot, rank, lane) order, and measures what the analysis predicts.
struct measured {
  struct placed {
    int slot, rank, lane;
    op o;
  };

  measured(program_view v, int minibatches) : n(v.size.microbatches), total(n * minibatches), stages(v.size.stages) {
    auto const run = unroll(v, minibatches);
    for (int r = 0; r < v.size.ranks; ++r) {
      for (op const& o : run[static_cast<std::size_t>(r)]) all.push_back({o.slot, r, o.lane, o});
    }
    std::sort(all.begin(), all.end(), [](placed const& a, placed const& b) {
      return std::tie(a.slot, a.rank, a.lane) < std::tie(b.slot, b.rank, b.lane);
    });
    std::vector<int> version(static_cast<std::size_t>(stages), 0);
    for (auto* x : {&v_f, &v_b, &v_r, &slot_f, &slot_b, &slot_w, &slot_r})
      x->assign(static_cast<std::size_t>(stages * total), -1);
    for (placed const& p : all) {
      auto const s = static_cast<std::size_t>(p.o.stage),
                 c = s * static_cast<std::size_t>(total) + static_cast<std::size_t>(p.o.microbatch);
      if (p.o.kind == op_kind::F) v_f[c] = version[s], slot_f[c] = p.slot;
      if (is_backward(p.o.kind)) v_b[c] = version[s], slot_b[c] = p.slot;
      if (adds_weight_gradient(p.o.kind)) slot_w[c] = p.slot;
      if (p.o.kind == op_kind::R) v_r[c] = version[s], slot_r[c] = p.slot;
      if (p.o.kind == op_kind::U) {
        ++version[s];
        CHECK(version[s] == (p.o.microbatch + 1) / n);
      }
      last = std::max(last, p.slot);
    }
  }

  // At every acquisition, the span of microbatches whose release is not in an earlier slot, in order.
  int ring(std::vector<int> const& from, int from_stage, std::vector<int> const& to, int to_stage,
           bool closed = true) const {
    int largest = 0;
    for (int m = 0; m < total; ++m) {
      int const when = from[static_cast<std::size_t>(from_stage * total + m)];
      int oldest = 0;
      while (oldest < total) {
        int const released = to[static_cast<std::size_t>(to_stage * total + oldest)];
        if (closed ? released >= when : released > when) break;
        ++oldest;
      }
      largest = std::max(largest, m - oldest + 1);
    }
    return largest;
  }

  int n, total, stages, last = 0;
  std::vector<placed> all;
  std::vector<int> v_f, v_b, v_r, slot_f, slot_b, slot_w, slot_r;
};

template <class G>
void compare(G const& g, extent e) {
  INFO(G::name << " S " << e.stages << " R " << e.ranks << " N " << e.microbatches);
  program p = generate(g, e);
  program_view const v = p.view();
  analysis const a = analyse(v);
  int const minibatches = 2 * a.periods_after + 4;
  measured const run(v, minibatches);
  CHECK(run.last + 1 == a.slots(minibatches));
  version_table const lags = versions(v);
  int const middle = (a.periods_after + 1) * e.microbatches;
  for (int s = 0; s < e.stages; ++s) {
    stage_facts const& x = a.stage[static_cast<std::size_t>(s)];
    int const below = std::max(s - 1, 0);
    CHECK(x.wire_transit == run.ring(run.slot_f, below, run.slot_f, s));
    auto const forwards = run.slot_f.begin() + s * run.total + middle;
    int const last_forward = static_cast<int>(std::max_element(forwards, forwards + e.microbatches) - forwards);
    CHECK(x.last_forward == last_forward);
    CHECK_FALSE(x.backward_crosses);
    if (v.wanted(s) == gradients::none) {
      stage_facts nothing;
      nothing.wire_transit = nothing.wire_kept = nothing.wire_kept_b = x.wire_transit;
      nothing.last_forward = last_forward;
      nothing.share = e.microbatches;
      CHECK(x == nothing);
      continue;
    }
    bool const updated = v.wanted(s) == gradients::both, recomputed = run.v_r[static_cast<std::size_t>(s * run.total)] >= 0;
    CHECK((x.head >= 0) == recomputed);
    int recompute_delay = 0, recompute_gap = 0;
    for (int j = 0; j < e.microbatches; ++j) {
      auto const c = static_cast<std::size_t>(s * run.total + middle + j);
      int const now = updated ? a.periods_after + 1 : 0;
      CHECK(lags.forward_lag(s, j) == now - run.v_f[c]);
      CHECK(lags.backward_lag(s, j) == now - run.v_b[c]);
      if (!recomputed) continue;
      CHECK(lags.recompute_lag(s, j) == now - run.v_r[c]);
      recompute_delay += now - run.v_r[c];
      recompute_gap = std::max(recompute_gap, run.v_r[c] - run.v_f[c]);
    }
    CHECK(x.recompute_delay == recompute_delay);
    CHECK(x.tau_recomp == static_cast<double>(recompute_delay) / e.microbatches);
    CHECK(x.recompute_gap == recompute_gap);
    auto const& saves = recomputed ? run.slot_r : run.slot_f;
    auto const& last = updated ? run.slot_w : run.slot_b;
    CHECK(x.saved_peak == run.ring(saves, s, last, s));
    CHECK(x.saved_held == run.ring(saves, s, last, s, false));
    CHECK(x.saved_peak_b == run.ring(saves, s, run.slot_b, s));
    bool const continues = recomputed && x.head < s;
    CHECK(x.wire_kept == (continues ? x.wire_transit : run.ring(run.slot_f, below, last, s)));
    CHECK(x.wire_kept_b == (continues ? x.wire_transit : run.ring(run.slot_f, below, run.slot_b, s)));
    CHECK(x.wire_recompute == (x.head == s ? run.ring(run.slot_f, below, run.slot_r, s) : 0));
    CHECK(x.input_held == (x.head == s ? run.ring(run.slot_f, s, last, s, false) : 0));
    CHECK(x.recompute_transit == (continues ? run.ring(run.slot_r, below, run.slot_r, s) : 0));
    CHECK(x.recompute_kept == (continues ? run.ring(run.slot_r, below, last, s) : 0));
    CHECK(x.recompute_kept_b == (continues ? run.ring(run.slot_r, below, run.slot_b, s) : 0));
    auto const& source = s + 1 < e.stages ? run.slot_b : run.slot_f;
    int const above = std::min(s + 1, e.stages - 1);
    CHECK(x.gradient_transit == run.ring(source, above, run.slot_b, s));
    CHECK(x.gradient_kept == run.ring(source, above, last, s));
  }
}

// W's behind the last B, and backwards last in, first out.
constexpr two_bp<gpipe> weights_last{.base = {.newest_first = true}};

}  // namespace

TEST_CASE("the analysis is what a run shows") {
  for (extent const e : {extent{1, 1, 1}, {1, 1, 3}, {4, 4, 1}, {4, 4, 8}, {5, 5, 3}, {5, 2, 3}, {6, 3, 2}, {7, 7, 2}}) {
    compare(sequential{}, e);
    compare(gpipe{}, e);
    compare(one_f_one_b{}, e);
    compare(async_1f1b{}, e);
    compare(pipemare{}, e);
    compare(weights_last, e);
  }
}

TEST_CASE("the analysis is what a run with recomputation, frozen stages or forwards alone shows") {
  for (extent const e : {extent{4, 4, 1}, {9, 9, 4}, {5, 5, 3}, {9, 2, 3}, {7, 3, 2}, {6, 1, 2}}) {
    compare(recomputed<sequential>{}, e);
    compare(recomputed<gpipe>{}, e);
    compare(recomputed<gpipe>{.segment = 3}, e);
    compare(recomputed<one_f_one_b>{}, e);
    compare(recomputed<async_1f1b>{}, e);
    compare(recomputed<async_1f1b>{.segment = 1}, e);
    compare(recomputed<pipemare>{}, e);
    compare(recomputed<pipemare>{.segment = 3}, e);
    compare(forward_only{}, e);
    compare(frozen<gpipe>{.trainable_from = 1, .stages = {3}}, e);
    compare(frozen<pipemare>{.trainable_from = 2}, e);
    compare(frozen<async_1f1b>{.trainable_from = 1, .stages = {2, 3}}, e);
    compare(frozen<recomputed<pipemare>>{.trainable_from = 1, .stages = {2}}, e);
    compare(recomputed<frozen<one_f_one_b>>{.base = {.trainable_from = 2}}, e);
    compare(recomputed<two_bp<gpipe>>{.base = weights_last}, e);
    compare(frozen<two_bp<gpipe>>{.base = weights_last, .trainable_from = 1, .stages = {2}}, e);
  }
}

TEST_CASE("W put off keeps more than B needs") {
  program p = generate(weights_last, {3, 3, 4});
  stage_facts const x = analyse(p.view()).stage[1];
  CHECK(x.saved_peak == 4);
  CHECK(x.gradient_kept == 4);
  CHECK(x.wire_kept_b <= x.wire_kept);
}

TEST_CASE("a program that is not proved is not analysed") {
  program p({1, 1, 1}, 0, false);
  p(0, {.kind = op_kind::F});
  CHECK_THROWS_WITH(analyse(p.view()), Catch::Contains("BW(stage 0, microbatch 0) on rank 0"));
  CHECK_THROWS_WITH(versions(p.view()), Catch::Contains("BW(stage 0, microbatch 0) on rank 0"));
}
