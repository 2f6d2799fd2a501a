// Zero-bubble schedules: the papers' bubbles and peaks, the list of a peer, any numbers of stages, ranks and microbatches.
#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/csv.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/interleaved_zb.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/replicated.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/schedule/rules/zb_h2.hpp>
#include <foal/schedule/rules/zb_v.hpp>

#include "tests/schedule/rules/split.hpp"
#include "tests/support/torch_lists.hpp"

using namespace foal::schedule;
using foal::test::facts_of;
using foal::test::schedule_facts;

static_assert(proof(zb_h1{}, {4, 4, 8}));
static_assert(proof(zb_h2{}, {4, 4, 8}));
static_assert(proof(zb_v{}, extent_of(zb_v{}, 8, 4, 8)));
static_assert(proof(interleaved_zb{}, extent_of(interleaved_zb{}, 8, 4, 8)));
// As many stages as the compilers prove of other schedules.
static_assert(proof(zb_h1{}, {107, 107, 4}));
static_assert(proof(zb_h2{}, {107, 107, 4}));
static_assert(proof(zb_v{}, extent_of(zb_v{}, 64, 32, 4)));
static_assert(proof(interleaved_zb{}, extent_of(interleaved_zb{}, 107, 54, 4)));

TEST_CASE("ZB-H1: a bubble of (R - 1)(tF + tB - tW), at R microbatches a rank") {
  CHECK(facts_of(zb_h1{}, 4, 4, 8) == schedule_facts{.makespan = 27, .idle = 3, .bubble = 3, .peaks = {4, 4, 4, 4}});
  CHECK(facts_of(zb_h1{}, 4, 4, 8, {2, 2, 1}) == schedule_facts{49, 9, 9, {4, 4, 4, 4}});
  CHECK(facts_of(zb_h1{}, 8, 8, 16) == schedule_facts{55, 7, 7, std::vector<int>(8, 8)});
  CHECK(facts_of(zb_h1{}, 4, 4, 4).makespan == 12 + 3);
  CHECK(facts_of(zb_h1{}, 4, 4, 8, {10, 12, 8}).idle == 3 * 14);
}

TEST_CASE("ZB-H2: a bubble of (R - 1)(tF + tB - 2 tW) in a span, at 2 R - 1 microbatches a rank") {
  CHECK(facts_of(zb_h2{}, 4, 4, 8) == schedule_facts{.makespan = 27, .idle = 3, .bubble = 0, .peaks = {7, 7, 7, 7}});
  CHECK(facts_of(zb_h2{}, 4, 4, 8, {2, 2, 1}).bubble == 6);
  schedule_facts const large = facts_of(zb_h2{}, 8, 8, 16);
  CHECK(large.bubble == 0);
  CHECK(large.peaks == std::vector<int>(8, 15));
  CHECK(facts_of(zb_h2{}, 4, 4, 4).bubble == 3);  // fewer than 2 R - 1
}

TEST_CASE("ZB-V: no bubble in a span from 2 R - 1 microbatches on, at 2 R chunks a rank") {
  CHECK(facts_of(zb_v{}, 8, 4, 8) == schedule_facts{.makespan = 51, .idle = 3, .bubble = 0, .peaks = {8, 8, 8, 8}});
  CHECK(facts_of(zb_v{}, 8, 4, 7).bubble == 0);
  CHECK(facts_of(zb_v{}, 8, 4, 6).bubble == 2);
  CHECK(facts_of(zb_v{}, 8, 4, 8, {10, 12, 8}).bubble == 24);
}

TEST_CASE("Interleaved zero bubble: the list of PyTorch's zb1p_2rank_2stagep_compute.csv, and its numbers") {
  CHECK(foal::test::same_order(generate(interleaved_zb{}, extent_of(interleaved_zb{}, 4, 2, 8)),
                               from_csv(foal::test::torch_zb1p)));
  CHECK(facts_of(interleaved_zb{}, 4, 2, 8) == schedule_facts{.makespan = 49, .idle = 1, .bubble = 1, .peaks = {4, 4}});
  CHECK(facts_of(interleaved_zb{}, 8, 4, 8) == schedule_facts{51, 3, 3, {8, 8, 8, 8}});
}

TEST_CASE("Zero-bubble schedules are proved for any numbers of stages, ranks and microbatches") {
  for (int stages = 1; stages <= 13; ++stages)
    for (int ranks = 1; ranks <= stages; ++ranks)
      for (int n : {1, 2, 3, 5, 8, 11, 17}) {
        INFO(stages << " stages on " << ranks << " ranks, N " << n);
        foal::test::check_runs(zb_h1{}, stages, ranks, n);
        foal::test::check_runs(zb_h2{}, stages, ranks, n);
        foal::test::check_runs(zb_v{}, stages, ranks, n);
        foal::test::check_runs(interleaved_zb{}, stages, ranks, n);
      }
}

TEST_CASE("Interleaved zero bubble with more chunks: the bubble of one, in times of a chunk") {
  CHECK(facts_of(interleaved_zb{.chunks = 4}, 16, 4, 8) == schedule_facts{96 + 3, 3, 3, {16, 16, 16, 16}});
  CHECK(facts_of(interleaved_zb{.chunks = 1}, 4, 4, 8) == facts_of(zb_h1{}, 4, 4, 8));
  for (int chunks : {1, 3, 5})
    for (int ranks : {1, 2, 3, 5})
      for (int stages = ranks; stages < 25; ++stages)
        for (int n : {1, 3, 8}) foal::test::check_runs(interleaved_zb{chunks}, stages, ranks, n);
  CHECK_THROWS_WITH(generate(interleaved_zb{.chunks = 0}, extent_of(interleaved_zb{.chunks = 0}, 4, 2, 4)),
                    Catch::Contains(".chunks = 0"));
}

TEST_CASE("Stages that are frozen or recomputed, and replicas, go with schedules that split the backward") {
  auto const check = [](auto const& g) {
    using G = std::remove_cvref_t<decltype(g)>;
    extent const e = extent_of(g, 8, 4, 6);
    INFO(G::name);
    program stuck = generate(frozen<G>{.base = g, .trainable_from = 2, .stages = {4, 6}}, e),
            again = generate(recomputed<G>{.base = g, .segment = 2}, e), beside = with_replicas(generate(g, e), 2),
            together = with_global_norm(generate(g, e));
    for (program* const p : {&stuck, &again, &beside, &together}) {
      INFO(text(prove(p->view())));
      CHECK(prove(p->view()));
    }
  };
  check(zb_h1{});
  check(zb_h2{});
  check(zb_v{});
  check(interleaved_zb{});
}
