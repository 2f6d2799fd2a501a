// The synchronous phase before a program's own: its ranks, its frozen and its recomputed stages.
#include <foal/schedule/rules/synchronous_phase.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/forward_only.hpp>
#include <foal/schedule/rules/pipemare.hpp>

using namespace foal::schedule;

namespace {

/// async_1f1b with its ranks renamed.
program renamed(extent e, std::vector<int> const& to) {
  program p = generate(async_1f1b{}, e), out(e, p.period(), true);
  for (int r = 0; r < e.ranks; ++r)
    for (op const& o : p.view().rank(r)) out(to[static_cast<std::size_t>(r)], o);
  return out;
}

/// One rank for stages 0, 2, 4..., one for the others: every stage runs F and BW of a microbatch at its own time.
program looped(int stages, int n) {
  program p = generate(async_1f1b{}, {stages, stages, n}), out({stages, 2, n}, 0, true);
  std::vector<op> all(p.view().ops.begin(), p.view().ops.end());
  std::stable_sort(all.begin(), all.end(), [](op const& x, op const& y) { return x.slot < y.slot; });
  for (op o : all) {
    o.slot = -1;
    o.lane = 0;
    out(o.stage % 2, o);
  }
  time(out);
  return out;
}

}  // namespace

TEST_CASE("the phase is one_f_one_b where stages are placed in order", "[schedule]") {
  for (extent const e : {extent{4, 4, 3}, extent{5, 2, 4}, extent{3, 1, 1}}) {
    program p = generate(pipemare{}, e), phase = synchronous_phase(p.view()), plain = generate(one_f_one_b{}, e);
    CHECK(lists(phase.view()) == lists(plain.view()));
  }
}

TEST_CASE("a placement that puts stages in order is left in its program", "[schedule]") {
  for (placement const placed : {loop, vee})
    for (int ranks : {1, 4}) {
      INFO(placed.name << " on " << ranks << " ranks");
      extent const e{.stages = 4, .ranks = ranks, .microbatches = 3, .placed = placed};
      program p = generate(folded<pipemare>{.placed = placed}, e), phase = synchronous_phase(p.view());
      CHECK(text(prove(phase.view())) == text(verdict{}));
      CHECK(phase.view().size == p.view().size);
      CHECK(ranks_of(phase.view()) == ranks_of(p.view()));
    }
}

TEST_CASE("every stage stays on its rank, whatever the placement", "[schedule]") {
  program swapped = renamed({4, 4, 3}, {0, 2, 1, 3});
  REQUIRE(text(prove(swapped.view())) == text(verdict{}));
  program phase = synchronous_phase(swapped.view());
  CHECK(text(prove(phase.view())) == text(verdict{}));
  CHECK(ranks_of(phase.view()) == std::vector<int>{0, 2, 1, 3});
  program plain = generate(one_f_one_b{}, {4, 4, 3});
  CHECK(lists(phase.view()).size() == lists(plain.view()).size());
  CHECK(grid(phase.view()).find('\n') == grid(plain.view()).find('\n'));  // rank 0 is the same, and as fast

  for (int stages : {4, 6, 7})
    for (int n : {1, 2, 5}) {
      program loop = looped(stages, n);
      INFO(lists(loop.view(), 2));
      REQUIRE(text(prove(loop.view())) == text(verdict{}));
      program before = synchronous_phase(loop.view());
      CHECK(text(prove(before.view())) == text(verdict{}));
      CHECK(ranks_of(before.view()) == ranks_of(loop.view()));
      for (auto const& stage : analyse(before.view()).stage) CHECK(stage.delay == 0);
    }
}

TEST_CASE("frozen stages stay frozen, recomputed ones recomputed", "[schedule]") {
  extent const e{6, 6, 2};
  program p = generate(frozen<recomputed<pipemare>>{.base = {.segment = 3}, .trainable_from = 1, .stages = {3}}, e);
  program phase = synchronous_phase(p.view());
  REQUIRE(text(prove(phase.view())) == text(verdict{}));
  for (int s = 0; s < e.stages; ++s) CHECK(phase.view().wanted(s) == p.view().wanted(s));
  CHECK(recompute_groups_of(phase.view()) == recompute_groups_of(p.view()));
  CHECK(recompute_groups_of(phase.view()) == std::vector<int>{-1, 1, 1, -1, -1, -1});

  program other_way = generate(recomputed<frozen<pipemare>>{.base = {.trainable_from = 1, .stages = {3}}, .segment = 3}, e);
  CHECK(text(prove(other_way.view())) == text(verdict{}));
  program again = synchronous_phase(other_way.view());
  CHECK(lists(again.view()) == lists(phase.view()));

  program inference = generate(forward_only{}, e);
  CHECK_THROWS_WITH(synchronous_phase(inference.view()), Catch::Contains("nothing is trained"));
}

TEST_CASE("facts say which F of a minibatch is the last, and whether B's of two minibatches mix", "[schedule]") {
  auto const facts_of = [](program p) { return analyse(p.view()).stage[0]; };
  CHECK(facts_of(generate(pipemare{}, {3, 3, 4})).last_forward == 3);
  CHECK_FALSE(facts_of(generate(pipemare{}, {3, 3, 4})).backward_crosses);
  program backwards({1, 1, 3}, 0, false);
  for (int m : {1, 2, 0}) backwards(0, {.kind = op_kind::F, .microbatch = m});
  for (int m : {1, 2, 0}) backwards(0, {.kind = op_kind::BW, .microbatch = m});
  backwards(0, {.kind = op_kind::U, .microbatch = 2});
  time(backwards);
  CHECK(facts_of(backwards).last_forward == 0);

  // W and U of a minibatch after F and B of the next one.
  auto const late = [](int by) {
    program p({1, 1, 1}, 4, true);
    p(0, {.kind = op_kind::F, .slot = 0});
    p(0, {.kind = op_kind::B, .slot = 1});
    p(0, {.kind = op_kind::W, .microbatch = -by, .slot = 2});
    p(0, {.kind = op_kind::U, .microbatch = -by, .slot = 3});
    return p;
  };
  CHECK_FALSE(facts_of(late(0)).backward_crosses);
  CHECK(facts_of(late(1)).backward_crosses);
}
