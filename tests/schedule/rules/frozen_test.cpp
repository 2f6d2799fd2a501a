// Programs whose lower stages are not trained.
#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/proof/channel.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>

#include "tests/support/schedules.hpp"

using namespace foal::schedule;

static_assert(generator<frozen<pipemare>> && std::string_view(frozen<pipemare>::name) == "pipemare_frozen");
static_assert(proof(frozen<pipemare>{.trainable_from = 5}, {9, 9, 2}));
static_assert(proof(frozen<one_f_one_b>{.trainable_from = 5, .stages = {7}}, {9, 3, 2}));

namespace {

std::vector<int> each(analysis const& a, int stage_facts::*member) {
  std::vector<int> of;
  for (stage_facts const& x : a.stage) of.push_back(x.*member);
  return of;
}

template <class G>
std::string drawn(G const& g, extent e) {
  program p = generate(g, e);
  return grid(p.view(), 1);
}

}  // namespace

TEST_CASE("stages below the lowest trained one run forward alone, and save nothing") {
  program p = generate(frozen<pipemare>{.trainable_from = 2}, {5, 5, 3});
  REQUIRE(prove(p.view()));
  CHECK_FALSE(p.view().inference);
  for (op const& o : p.view().ops) CHECK((o.kind == op_kind::F || o.stage >= 2));
  analysis const a = analyse(p.view());
  CHECK(each(a, &stage_facts::saved_peak) == std::vector<int>{0, 0, 6, 4, 2});
  CHECK(each(a, &stage_facts::saved_held) == std::vector<int>{0, 0, 5, 3, 1});
  CHECK(each(a, &stage_facts::delay) == std::vector<int>{0, 0, 5, 3, 1});
  CHECK(each(a, &stage_facts::gradient_transit) == std::vector<int>{0, 0, 2, 2, 2});
  CHECK(each(a, &stage_facts::wire_kept) == std::vector<int>{1, 2, 7, 5, 3});
  CHECK(a.held() == 9);
}

TEST_CASE("a frozen stage between trained ones has B alone") {
  program p = generate(frozen<async_1f1b>{.stages = {1}}, {3, 3, 2});
  CHECK(lists(p.view(), 1) == "F0 F1 BW0 BW1 U1\nF0 F1 B0 B1\nF0 BW0 F1 BW1 U1\n");
  analysis const a = analyse(p.view());
  CHECK(each(a, &stage_facts::saved_peak) == std::vector<int>{3, 2, 1});
  CHECK(each(a, &stage_facts::delay) == std::vector<int>{2, 0, 0});
  CHECK(a.stage[1].tau_fwd == 0);
  CHECK(a.stage[1].version_gap == 0);
}

TEST_CASE("a frozen stage with nothing trained below it has no B") {
  program p = generate(frozen<gpipe>{.trainable_from = 1, .stages = {0, 1}}, {4, 4, 2});
  CHECK(each(analyse(p.view()), &stage_facts::saved_peak) == std::vector<int>{0, 0, 2, 2});
  CHECK(p.view().wanted(1) == gradients::none);
  CHECK(p.view().wanted(2) == gradients::both);
}

TEST_CASE("a synchronous program closes up where backwards are gone") {
  CHECK(drawn(frozen<one_f_one_b>{.trainable_from = 1}, {3, 3, 2}) ==
        "F0    F1    .     .     .     .     .\n"
        ".     F0    F1    .     B0    .     B1+U1\n"
        ".     .     F0    B0    F1    B1+U1 .\n");
  program p = generate(frozen<gpipe>{.trainable_from = 2}, {3, 3, 2});
  CHECK(p.period() == 6);  // F's reach stage 2 in slots 2 and 3, B's follow in 4 and 5
  CHECK(replay(p.view(), {.forward = 1, .backward = 1, .weight = 1}).makespan == 2 + 2 + 4);
}

TEST_CASE("frozen stages and recomputation go together, in either order") {
  program a = generate(frozen<recomputed<pipemare>>{.trainable_from = 1}, {9, 9, 2});
  program b = generate(recomputed<frozen<pipemare>>{.base = {.trainable_from = 1}}, {9, 9, 2});
  REQUIRE(prove(a.view()));
  std::vector<op> const x(a.view().ops.begin(), a.view().ops.end()), y(b.view().ops.begin(), b.view().ops.end());
  std::vector<int> const heads(a.view().recompute.begin(), a.view().recompute.end());
  CHECK(heads == std::vector<int>{-1, 1, 1, 3, 3, 3, -1, -1, -1});
  CHECK(x.size() == y.size());
  CHECK(analyse(a.view()).stage == analyse(b.view()).stage);
  CHECK(channel_capacity(a.view(), shared_fifo::kind) == 1);
}

TEST_CASE("frozen stages are proved for many shapes") {
  for (int stages : {1, 2, 4, 7}) {
    for (int ranks : {1, 2, 4, 7}) {
      if (ranks > stages) continue;
      for (int n : {1, 3}) {
        for (int k = 0; k < stages; ++k) {
          extent const e{stages, ranks, n};
          INFO(stages << " stages, " << ranks << " ranks, " << n << " microbatches, from " << k);
          std::vector<int> between;
          if (k + 1 < stages - 1) between.push_back(k + 1);
          CHECK(text(proof(frozen<sequential>{{}, k, between}, e)) == text(verdict{}));
          CHECK(text(proof(frozen<gpipe>{{}, k, between}, e)) == text(verdict{}));
          CHECK(text(proof(frozen<one_f_one_b>{{}, k, between}, e)) == text(verdict{}));
          CHECK(text(proof(frozen<async_1f1b>{{}, k, between}, e)) == text(verdict{}));
          CHECK(text(proof(frozen<pipemare>{{}, k, between}, e)) == text(verdict{}));
          program p = generate(frozen<one_f_one_b>{{}, k, between}, e);
          CHECK(channel_capacity(p.view()) >= 0);
        }
      }
    }
  }
}

TEST_CASE("what a program says of its stages and its ops must agree") {
  program p = generate(gpipe{}, {3, 3, 1});
  p.wants({gradients::both, gradients::none, gradients::both});
  verdict v = prove(p.view());
  CHECK(v.what == flaw::cut);
  CHECK_THAT(text(v), Catch::Contains("cannot train stage 0, because stage 1"));
  p.wants({gradients::none, gradients::both, gradients::both});
  v = prove(p.view());
  CHECK(v.what == flaw::unwanted);
  CHECK_THAT(text(v), Catch::Contains("BW(stage 0, microbatch 0) on rank 0") && Catch::Contains("frozen"));
  p.wants({gradients::both, gradients::both});
  CHECK(prove(p.view()).what == flaw::entries);
  p.wants({gradients::both, gradients::input, gradients::both});
  CHECK(prove(p.view()).what == flaw::unwanted);

  // A stage that wants its gradients must have them.
  program q = generate(frozen<gpipe>{.trainable_from = 1}, {3, 3, 1});
  q.wants({});
  v = prove(q.view());
  CHECK(v.what == flaw::missing);
  CHECK_THAT(text(v), Catch::Contains("BW(stage 0, microbatch 0) on rank 0 is in no list"));
}

TEST_CASE("what cannot be frozen is refused with a sentence") {
  auto const base = [] { return generate(gpipe{}, {3, 3, 1}); };
  CHECK_THROWS_WITH(without_backward_below(base(), 3), Catch::Contains("cannot train from stage 3 up"));
  CHECK_THROWS_WITH(without_backward_below(base(), -1), Catch::Contains("cannot train from stage -1 up"));
  CHECK_THROWS_WITH(without_backward_below(base(), 1, {1, 2}), Catch::Contains("2 of 3 stages frozen"));
  CHECK_THROWS_WITH(without_backward_below(base(), 0, {3}), Catch::Contains("cannot freeze stage 3"));
}

TEST_CASE("of replicas a frozen stage sums nothing either") {
  program p = without_backward_below(generate(foal::test::two_way{}, foal::test::both_ways(4, 4)), 0, {2});
  CHECK(text(prove(p.view())) == text(verdict{}));
  int sums = 0;
  for (op const& o : p.view().ops) {
    if (o.kind != op_kind::G) continue;
    CHECK(o.stage != 2);
    ++sums;
  }
  CHECK(sums == 2 * 3);
}
