// What every kind of op waits for, with replicas, segments, recomputation and the global norm.
#include <foal/schedule/edges.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>

using namespace foal::schedule;

namespace {

using enum op_kind;

std::string inputs_of(program_view v, op const& o) {
  constexpr char const* via[] = {"activation", "gradient", "rebuilt", "own", "sum", "norm", "tied"};
  std::string text;
  for_each_input(v, o, [&](input const& in) {
    text += (text.empty() ? "" : " ") + std::string(name(in.kind)) + std::to_string(in.stage) + "." +
            std::to_string(in.microbatch);
    if (v.size.replicas > 1) text += "r" + std::to_string(in.replica);
    if (v.size.segments > 1) text += "s" + std::to_string(in.segment);
    text += std::string(":") + via[static_cast<int>(in.via)];
  });
  return text;
}

constexpr int crossings(program_view v) {
  dependencies const rule(v);
  int count = 0;
  for (op const& o : v.ops) rule.for_each_crossing_input(o, [&](input const&) { ++count; });
  return count;
}
constexpr int crossings_of(extent e) { return crossings(generate(one_f_one_b{}, e).view()); }

}  // namespace

// N activations and N gradients between any two stages.
static_assert(crossings_of({4, 4, 8}) == 2 * 3 * 8 && crossings_of({4, 2, 8}) == 2 * 3 * 8 && crossings_of({1, 1, 3}) == 0);

TEST_CASE("what F, B, BW, W and U wait for", "[schedule]") {
  program p = generate(one_f_one_b{}, {3, 3, 2});
  program_view const v = p.view();
  CHECK(inputs_of(v, {.kind = F, .stage = 0, .microbatch = 1}).empty());
  CHECK(inputs_of(v, {.kind = F, .stage = 2, .microbatch = 1}) == "F1.1:activation");
  CHECK(inputs_of(v, {.kind = BW, .stage = 2, .microbatch = 1}) == "F2.1:own");
  CHECK(inputs_of(v, {.kind = BW, .stage = 0, .microbatch = -3}) == "F0.-3:own BW1.-3:gradient");
  CHECK(inputs_of(v, {.kind = B, .stage = 1}) == "F1.0:own B2.0:gradient");
  CHECK(inputs_of(v, {.kind = W, .stage = 1}) == "B1.0:own");
  CHECK(inputs_of(v, {.kind = U, .stage = 1, .microbatch = 1}) == "BW1.1:own");
  CHECK(inputs_of(v, {.kind = T, .stage = 1}).empty());
}

TEST_CASE("U waits for the weight gradient that runs last, whichever microbatch's it is", "[schedule]") {
  program p({1, 1, 3}, 0, false);
  for (int m : {1, 2, 0}) p(0, {.kind = F, .microbatch = m});
  for (int m : {1, 2, 0}) p(0, {.kind = BW, .microbatch = m});
  p(0, {.kind = U, .microbatch = 2});
  CHECK(inputs_of(p.view(), {.kind = U, .microbatch = 2}) == "BW0.0:own");

  // In the body of an asynchronous program the one of an earlier minibatch is the later one.
  program q({1, 1, 2}, 4, true);
  q(0, {.kind = BW, .microbatch = -1, .slot = 0});
  q(0, {.kind = U, .microbatch = -1, .slot = 0, .lane = 1});
  q(0, {.kind = F, .microbatch = 0, .slot = 1});
  q(0, {.kind = BW, .microbatch = 0, .slot = 2});
  q(0, {.kind = F, .microbatch = 1, .slot = 3});
  CHECK(inputs_of(q.view(), {.kind = U, .microbatch = -1}) == "BW0.-1:own");
}

TEST_CASE("several U's in a minibatch each wait for the gradients since the one before", "[schedule]") {
  program p({1, 1, 4}, 0, false);
  for (int m = 0; m < 4; ++m) {
    p(0, {.kind = F, .microbatch = m});
    p(0, {.kind = BW, .microbatch = m});
    if (m == 0 || m == 3) p(0, {.kind = U, .microbatch = m});
  }
  dependencies const rule(p.view());
  CHECK(rule.closing(0, 0) == 0);
  CHECK(rule.closing(0, 1) == 3);
  CHECK(inputs_of(p.view(), {.kind = U, .microbatch = 0}) == "BW0.0:own");
  CHECK(inputs_of(p.view(), {.kind = U, .microbatch = 3}) == "BW0.3:own");
}

TEST_CASE("what R and recomputed backwards wait for", "[schedule]") {
  program p = generate(recomputed<pipemare>{.segment = 2}, {5, 5, 2});
  program_view const v = p.view();
  CHECK(inputs_of(v, {.kind = R, .stage = 0, .microbatch = 1}) == "F0.1:own");
  CHECK(inputs_of(v, {.kind = R, .stage = 1, .microbatch = 1}) == "F1.1:own R0.1:rebuilt");
  CHECK(inputs_of(v, {.kind = BW, .stage = 1, .microbatch = 1}) == "F1.1:own R1.1:own BW2.1:gradient");
  CHECK(inputs_of(v, {.kind = BW, .stage = 4, .microbatch = 1}) == "F4.1:own");
}

TEST_CASE("among replicas a microbatch stays in its own, and sums wait for all", "[schedule]") {
  program p({.stages = 2, .ranks = 2, .microbatches = 3, .replicas = 2, .placed = bidirectional}, 0, false);
  for (int s = 0; s < 2; ++s)
    for (int r = 0; r < 2; ++r)
      for (int m = r; m < 3; m += 2)
        for (op_kind const kind : {F, BW})
          p(rank_of(p.size(), s, r), {.kind = kind, .stage = s, .microbatch = m, .replica = r});
  program_view const v = p.view();
  dependencies const rule(v);
  CHECK(rule.replica_of(0) == 0);
  CHECK(rule.replica_of(1) == 1);
  CHECK(rule.replica_of(2) == 0);
  CHECK(inputs_of(v, {.kind = F, .stage = 1, .microbatch = 1, .replica = 1}) == "F0.1r1:activation");
  CHECK(inputs_of(v, {.kind = G, .stage = 1, .microbatch = 2, .replica = 0}) == "BW1.2r0:own BW1.1r1:sum");
  CHECK(inputs_of(v, {.kind = G, .stage = 1, .microbatch = 2, .replica = 1}) == "BW1.1r1:own BW1.2r0:sum");
  CHECK(inputs_of(v, {.kind = U, .stage = 1, .microbatch = 2, .replica = 1}) == "G1.2r1:own");
}

TEST_CASE("of a sequence in segments, forwards follow each other upwards and backwards downwards", "[schedule]") {
  program p({.stages = 2, .ranks = 2, .microbatches = 1, .segments = 3}, 0, false);
  program_view const v = p.view();
  CHECK(inputs_of(v, {.kind = F, .stage = 1, .segment = 0}) == "F0.0s0:activation");
  CHECK(inputs_of(v, {.kind = F, .stage = 1, .segment = 2}) == "F1.0s1:own F0.0s2:activation");
  CHECK(inputs_of(v, {.kind = B, .stage = 0, .segment = 2}) == "F0.0s2:own B1.0s2:gradient");
  CHECK(inputs_of(v, {.kind = B, .stage = 0, .segment = 1}) == "F0.0s1:own B0.0s2:own B1.0s1:gradient");
}

TEST_CASE("with the global norm an update waits for the gradients of every stage that is trained", "[schedule]") {
  program p = generate(one_f_one_b{}, {3, 3, 2});
  p.global_norm(true);
  CHECK(inputs_of(p.view(), {.kind = U, .stage = 1, .microbatch = 1}) == "BW1.1:own BW0.1:norm BW2.1:norm");
  p.wants({gradients::none, gradients::both, gradients::both});
  CHECK(inputs_of(p.view(), {.kind = U, .stage = 1, .microbatch = 1}) == "BW1.1:own BW2.1:norm");
}
