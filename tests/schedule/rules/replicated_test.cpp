// Replicas of a pipeline: each is the one pipeline, with its delays and its rings; sums come between.
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/replicated.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/forward_only.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

#include "tests/support/schedules.hpp"

using namespace foal::schedule;

namespace {

template <class G>
program one_of(G const& g, int stages, int ranks, int n) {
  return generate(g, extent_of(g, stages, ranks, n));
}

/// Every replica has the facts of the one pipeline; delays count microbatches of all replicas.
void check_alike(program one, int replicas) {
  program all = with_replicas(one, replicas);
  program_view const v = all.view();
  INFO(lists(v));
  REQUIRE(text(prove(v)) == text(verdict{}));
  analysis const alone = analyse(one.view()), beside = analyse(v);
  int const stages = one.size().stages, n = one.size().microbatches;
  REQUIRE(beside.stage.size() == static_cast<std::size_t>(stages * replicas));
  for (int u = 0; u < stages * replicas; ++u) {
    stage_facts want = alone.stage[static_cast<std::size_t>(u % stages)];
    want.delay *= replicas, want.recompute_delay *= replicas;
    want.last_forward += u / stages * n, want.last_backward += u / stages * n;
    if (one.view().inference || one.view().wanted(u % stages) == gradients::none)
      want.last_backward = beside.stage[static_cast<std::size_t>(u)].last_backward;
    CHECK((beside.stage[static_cast<std::size_t>(u)] == want));
  }
  CHECK(beside.periods_after == alone.periods_after);
  for (int r = 0; r < v.size.ranks; ++r)
    for (op const& o : v.rank(r)) {
      CHECK(o.replica == r / one.size().ranks);
      if (o.kind != op_kind::U && o.kind != op_kind::G) CHECK(floor_mod(o.microbatch, n * replicas) / n == o.replica);
    }
}

}  // namespace

static_assert([] {
  program all = with_replicas(generate(pipemare{}, {3, 3, 2}), 2);
  return static_cast<bool>(prove(all.view()));
}());

TEST_CASE("every replica of a pipeline is as the pipeline", "[schedule]") {
  for (int const replicas : {2, 3})
    for (int const stages : {1, 2, 5})
      for (int ranks = 1; ranks <= stages; ++ranks)
        for (int const n : {1, 3, 4}) {
          INFO(replicas << " replicas, S " << stages << "  R " << ranks << "  n " << n);
          check_alike(one_of(gpipe{}, stages, ranks, n), replicas);
          check_alike(one_of(one_f_one_b{}, stages, ranks, n), replicas);
          check_alike(one_of(async_1f1b{}, stages, ranks, n), replicas);
          check_alike(one_of(pipemare{}, stages, ranks, n), replicas);
        }
  check_alike(one_of(sequential{}, 4, 1, 3), 2);
  check_alike(one_of(forward_only{}, 4, 3, 3), 2);
  check_alike(one_of(zb_h1{}, 4, 4, 3), 2);
  check_alike(one_of(folded<pipemare>{.placed = loop}, 6, 6, 3), 2);
  check_alike(one_of(frozen<pipemare>{.trainable_from = 2}, 5, 5, 3), 3);
  check_alike(one_of(recomputed<pipemare>{.segment = 2}, 5, 4, 3), 2);
}

TEST_CASE("injected delays are those of the minibatch of all replicas", "[schedule]") {
  program all = with_replicas(one_of(injected{.delays = {7, 4, 0}}, 3, 3, 2), 2);
  analysis const a = analyse(all.view());
  CHECK(a.stage[0].delay == 7);
  CHECK(a.stage[1].delay == 4);
  CHECK(a.stage[2].delay == 0);
}

TEST_CASE("the norm of the model is that of every replica's sums", "[schedule]") {
  program all = with_replicas(with_global_norm(one_of(one_f_one_b{}, 4, 3, 3)), 2);
  CHECK(all.view().global_norm);
  CHECK(text(prove(all.view())) == text(verdict{}));
}

TEST_CASE("what has no replicas is refused with a sentence", "[schedule]") {
  CHECK_THROWS_WITH(with_replicas(one_of(gpipe{}, 2, 2, 2), 0), Catch::Contains("cannot have 0 replicas of a program"));
  CHECK_THROWS_WITH(with_replicas(one_of(gpipe{}, 2, 2, 2), 1 << 30), Catch::Contains("microbatches are counted in"));
  CHECK_THROWS_WITH(with_replicas(generate(foal::test::two_way{}, foal::test::both_ways(4, 4)), 2),
                    Catch::Contains("has 2 of every stage itself"));
  CHECK_THROWS_WITH(with_replicas(one_of(paci{.every = 2}, 3, 3, 4), 2),
                    Catch::Contains("several updates in a minibatch, because replicas are summed once"));
}
