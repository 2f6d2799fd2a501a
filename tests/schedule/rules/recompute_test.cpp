// Recomputation in schedules: where R stands, what it saves by the paper's count, and that no list of it blocks.
#include <cmath>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/proof/channel.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>

using namespace foal::schedule;

static_assert(generator<recomputed<pipemare>> && std::string_view(recomputed<pipemare>::name) == "pipemare_recomputed");
static_assert(recomputed<async_1f1b>::asynchronous && !recomputed<gpipe>::asynchronous);

static_assert(recompute_group_length(107) == 10 && recompute_group_length(93) == 10 && recompute_group_length(150) == 12);
static_assert(recompute_group_length(32) == 6 && recompute_group_length(16) == 4 && recompute_group_length(2) == 1 &&
              recompute_group_length(1) == 1);
static_assert(recompute_group_heads(7) == std::vector<int>{0, 0, 0, 3, 3, 3, 6});
static_assert(recompute_group_heads(5, 2) == std::vector<int>{0, 0, 2, 2, 4});

static_assert(proof(recomputed<pipemare>{}, {16, 16, 4}) && proof(recomputed<pipemare>{}, {9, 4, 1}));
static_assert(proof(recomputed<async_1f1b>{}, {16, 16, 4}) && proof(recomputed<gpipe>{}, {16, 16, 4}));
static_assert(proof(recomputed<one_f_one_b>{}, {16, 16, 4}) && proof(recomputed<sequential>{}, {9, 3, 4}));

namespace {

template <class G>
std::string drawn(G const& g, extent e, int minibatches = 1) {
  program p = generate(g, e);
  return grid(p.view(), minibatches);
}

template <class G>
std::string listed(G const& g, extent e) {
  program p = generate(g, e);
  return lists(p.view());
}

template <class G>
std::vector<int> heads(G const& g, extent e) {
  program p = generate(g, e);
  return {p.view().recompute.begin(), p.view().recompute.end()};
}

}  // namespace

TEST_CASE("PipeMare's R is a third unit, one slot and the way up the group before the backward of its end") {
  CHECK(drawn(recomputed<pipemare>{}, {4, 4, 1}, 2) ==
        "F0       F1       .        .        R0       R1       .        B0+U0    B1+U1\n"
        ".        F0       F1       .        .        R0       R1+B0+U0 B1+U1    .\n"
        ".        .        F0       F1       .        B0+U0    B1+U1    .        .\n"
        ".        .        .        F0       F1+B0+U0 B1+U1    .        .        .\n");
  program p = generate(recomputed<pipemare>{}, {9, 9, 4});
  timeline t;
  REQUIRE(index(p.view(), t));
  auto const at = [&](foal::int_table const& of, int s, int j) {
    return t.slot[static_cast<std::size_t>(of[static_cast<std::size_t>(t.at(s, j))])];
  };
  for (int s = 0; s < 6; ++s) {
    int const end = s - s % 3 + 2;
    for (int j = 0; j < 4; ++j) CHECK(at(t.recompute, s, j) == at(t.backward, end, j) - 1 - (end - s));
  }
  for (int r = 0; r < 9; ++r) {
    for (op const& o : p.view().rank(r))
      CHECK((o.kind == op_kind::F ? o.lane == 0 : o.kind == op_kind::R ? o.lane == 1 : o.lane >= 1));
  }
}

TEST_CASE("lists with recomputation") {
  CHECK(listed(recomputed<gpipe>{.segment = 1}, {2, 2, 2}) == "F0 F1 R0 B0 R1 B1 U1\nF0 F1 B0 B1 U1\n");
  // Between ranks of a group R is ahead of B by the way up, so that B of its end never waits for it.
  CHECK(listed(recomputed<one_f_one_b>{.segment = 2}, {4, 4, 4}) ==
        "F0 F1 F2 R0 F3 R1 B0 R2 B1 R3 B2 B3 U3\n"
        "F0 F1 F2 R0 B0 F3 R1 B1 R2 B2 R3 B3 U3\n"
        "F0 F1 B0 F2 B1 F3 B2 B3 U3\n"
        "F0 B0 F1 B1 F2 B2 F3 B3 U3\n");
  // async_1f1b keeps its half-slots; R shares those of F.
  CHECK(drawn(recomputed<async_1f1b>{.segment = 1}, {3, 3, 1}, 2) ==
        "F0    .     F1    .     R0    B0+U0 R1    B1+U1\n"
        ".     F0    .     F1+R0 B0+U0 R1    B1+U1 .\n"
        ".     .     F0    B0+U0 F1    B1+U1 .     .\n");
  CHECK(listed(recomputed<sequential>{}, {4, 1, 1}) ==
        "F0.0 F1.0 F2.0 F3.0 B3.0 U3.0 B2.0 U2.0 R0.0 R1.0 B1.0 U1.0 B0.0 U0.0\n");
}

TEST_CASE("groups that would gain nothing are left out") {
  for (extent const e : {extent{9, 9, 4}, {9, 3, 4}}) {
    std::vector<int> const without_last{0, 0, 0, 3, 3, 3, -1, -1, -1};
    CHECK(heads(recomputed<pipemare>{}, e) == without_last);
    CHECK(heads(recomputed<async_1f1b>{}, e) == without_last);
    CHECK(heads(recomputed<one_f_one_b>{}, e) == without_last);
    CHECK(heads(recomputed<sequential>{}, e) == without_last);
    // The last stage of gpipe waits for the other microbatches before its B: all but it are recomputed.
    CHECK(heads(recomputed<gpipe>{}, e) == std::vector<int>{0, 0, 0, 3, 3, 3, 6, 6, -1});
  }
  CHECK(heads(recomputed<gpipe>{}, {9, 9, 1}) == std::vector<int>{0, 0, 0, 3, 3, 3, -1, -1, -1});
  CHECK(heads(recomputed<pipemare>{}, {9, 1, 4}).empty());
  CHECK(drawn(recomputed<pipemare>{}, {9, 1, 4}, 2) == drawn(pipemare{}, {9, 1, 4}, 2));
}

TEST_CASE("groups may be chosen") {
  program p = with_recomputation(generate(pipemare{}, {6, 6, 2}), {0, 0, 0, -1, 4, -1});
  CHECK(text(prove(p.view())) == text(verdict{}));
  analysis const a = analyse(p.view());
  CHECK(a.stage[0].recompute_delay == 5);
  CHECK(a.stage[2].recompute_delay == 1);
  CHECK(a.stage[3].head == -1);
  CHECK(a.stage[3].saved_held == 5);
  CHECK(a.stage[4].saved_held == 1);
}

TEST_CASE("the paper's count of held activations") {
  struct row {
    int stages, length, held;
    double ratio;
  };
  for (row const x : {row{107, 10, 2292, 0.200},
                      {93, 10, 1859, 0.215},
                      {150, 12, 3779, 0.168},
                      {32, 6, 382, 0.373},
                      {16, 4, 140, 0.547}}) {
    INFO(x.stages << " stages");
    program p = generate(recomputed<pipemare>{}, {x.stages, x.stages, 8});
    analysis const a = analyse(p.view());
    // The paper's layout charges every group an input and what R rebuilds. Here the last group is not recomputed: what F
    // saves there is as much as R would rebuild, and the input that it need not keep makes the difference.
    int const last = (x.stages - 1) / x.length * x.length;
    int const input = a.stage[static_cast<std::size_t>(last)].saved_held;
    CHECK(input == 2 * (x.stages - last) - 1);
    CHECK(a.held() + input == x.held);
    CHECK(std::abs(x.held / static_cast<double>(x.stages * x.stages) - x.ratio) < 5e-4);
    int inputs = 0, rebuilt = 0;
    for (stage_facts const& s : a.stage) inputs += s.input_held, rebuilt += s.saved_held;
    int expected_inputs = 0, expected_rebuilt = 0;
    for (int s = 0; s < x.stages; ++s) {
      int const head = s - s % x.length, end = std::min(head + x.length, x.stages) - 1;
      if (s == head && s != last) expected_inputs += 2 * (x.stages - s) - 1;
      expected_rebuilt += 2 * (end - s) + 1;
    }
    CHECK(inputs == expected_inputs);
    CHECK(rebuilt == expected_rebuilt);
    program q = generate(pipemare{}, {x.stages, x.stages, 8});
    CHECK(analyse(q.view()).held() == x.stages * x.stages);
  }
}

TEST_CASE("the third delay is from R to U") {
  extent const e{9, 9, 4};
  program p = generate(recomputed<pipemare>{}, e);
  analysis const a = analyse(p.view());
  version_table const t = versions(p.view());
  for (int s = 0; s < 6; ++s) {
    stage_facts const& x = a.stage[static_cast<std::size_t>(s)];
    int const d = 2 * (2 - s % 3) + 1;
    CHECK(x.recompute_delay == d);
    CHECK(x.tau_recomp == d / 4.0);
    CHECK(x.delay == 2 * (9 - s) - 1);
    CHECK(x.tau_bkwd == 0);
    CHECK(x.saved_peak == d + 1);
    CHECK(x.saved_held == d);
    for (int j = 0; j < 4; ++j) {
      CHECK(t.recompute_lag(s, j) == std::max(0, (d - j + 3) / 4));
      CHECK(t.recompute_lag(s, j) <= t.forward_lag(s, j));
    }
  }
  CHECK(a.stage[6].tau_recomp == 0);
  // With one op a slot R comes in the slot of a forward, half as many microbatches before U.
  program q = generate(recomputed<async_1f1b>{}, e);
  analysis const b = analyse(q.view());
  for (int s = 0; s < 6; ++s) CHECK(b.stage[static_cast<std::size_t>(s)].recompute_delay == 2 - s % 3);
  program r = generate(recomputed<one_f_one_b>{}, e);
  for (stage_facts const& x : analyse(r.view()).stage) CHECK(x.recompute_delay == 0);
}

TEST_CASE("recomputation is proved for many shapes, and runs on channels with room for two messages") {
  auto const check = [](auto const& g, extent e) {
    INFO(g.name << " with " << g.segment << ": " << e.stages << " stages, " << e.ranks << " ranks, " << e.microbatches);
    program p = generate(g, e);
    CHECK(text(prove(p.view())) == text(verdict{}));
    for (shared_fifo const how : {shared_fifo::kind, shared_fifo::pair_direction, shared_fifo::pair}) {
      int const capacity = channel_capacity(p.view(), how);
      CHECK(capacity >= 0);
      CHECK(capacity <= 2);
      CHECK(run_bounded(p.view(), capacity, how));
    }
  };
  for (int stages : {1, 2, 3, 5, 8}) {
    for (int ranks : {1, 2, 3, 5, 8}) {
      if (ranks > stages) continue;
      for (int n : {1, 2, 3, 7}) {
        for (int segment : {0, 1, 2, 4}) {
          extent const e{stages, ranks, n};
          check(recomputed<sequential>{.segment = segment}, e);
          check(recomputed<gpipe>{.segment = segment}, e);
          check(recomputed<one_f_one_b>{.segment = segment}, e);
          check(recomputed<async_1f1b>{.segment = segment}, e);
          check(recomputed<pipemare>{.segment = segment}, e);
        }
      }
    }
  }
}

TEST_CASE("an asynchronous schedule with R but without slots gets them") {
  for (extent const e : {extent{6, 6, 2}, {9, 9, 1}, {9, 4, 3}, {5, 5, 1}}) {
    for (int segment : {0, 1, 4}) {
      INFO(e.stages << " stages, " << e.ranks << " ranks, " << e.microbatches << " microbatches, segments of " << segment);
      program timed = generate(recomputed<async_1f1b>{.segment = segment}, e);
      program p(e, 0, true);
      for (int r = 0; r < e.ranks; ++r) {
        for (op o : timed.view().rank(r)) {
          o.slot = -1;
          o.lane = 0;
          p(r, o);
        }
      }
      p.recompute({timed.view().recompute.begin(), timed.view().recompute.end()});
      time(p);
      CHECK(text(prove(p.view())) == text(verdict{}));
      analysis const a = analyse(timed.view()), b = analyse(p.view());
      for (std::size_t s = 0; s < a.stage.size(); ++s) CHECK(a.stage[s].head == b.stage[s].head);
      if (e == extent{6, 6, 2} && segment == 0) CHECK(p.period() == 6);  // F, R and BW of two microbatches
    }
  }
}

TEST_CASE("what cannot be recomputed is refused with a sentence") {
  program p = generate(recomputed<pipemare>{}, {9, 9, 1});
  CHECK_THROWS_WITH(with_recomputation(p), Catch::Contains("R would run twice"));
  CHECK_THROWS_WITH(generate(recomputed<pipemare>{.segment = -1}, {4, 4, 1}), Catch::Contains("segments of -1"));
  CHECK_THROWS_WITH(with_recomputation(generate(gpipe{}, {3, 3, 1}), {0, 0}), Catch::Contains("2 entries for 3 stages"));
  CHECK_THROWS_WITH(with_recomputation(generate(gpipe{}, {3, 3, 1}), {0, 0, 1}), Catch::Contains("begins at stage 1"));
  CHECK_THROWS_WITH(generate(recomputed<gpipe>{}, {2, 3, 1}), Catch::Contains("2 stages on 3 ranks"));
}
