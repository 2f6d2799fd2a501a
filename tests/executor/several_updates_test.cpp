// Several updates of a stage in a minibatch: the bits of a run whose minibatches are as long as what lies between two of
// them.
#include <catch2/catch.hpp>

#include <foal/schedule/rules/paci.hpp>

#include "tests/executor/support.hpp"
#include "tests/support/schedules.hpp"

using namespace foal;

TEST_CASE("A stage that updates in the midst of a minibatch trains as with shorter minibatches", "[executor]") {
  for (int every : {1, 2, 3}) {
    test::choice live{.schedule = 3, .delay = 1, .optimizer = 3, .n = every}, stash = live, synchronised = live;
    stash.delay = synchronised.delay = 0;
    stash.stash = true;
    synchronised.rule = 2;
    for (test::choice const& c : {live, stash, synchronised}) {
      INFO("every " << every << "  " << c.text());
      test::traces const reference = test::train(c, 1, false, 12);
      test::choice longer = c;
      for (int updates : {2, 3}) {
        longer.n = updates * every;
        int const ranks = c.ranks > 0 ? c.ranks : c.net;
        schedule::program const p = schedule::generate(schedule::paci{.every = every}, {c.net, ranks, longer.n});
        for (int workers = 1; workers <= ranks; ++workers)
          CHECK(test::train(longer, workers, workers > 1, 12 / updates, {}, p) == reference);
      }
    }
  }
}

TEST_CASE("A divergence in the midst of a minibatch leaves the whole ones that every stage has had", "[executor]") {
  auto const after = [](test::choice const& c, long long minibatches, schedule::program own) {
    table::run_tables const t = test::tables_of(c, std::move(own));
    executor::engine engine(t, {test::bit_samples, c.n, 1, 5, false, 64, false}, test::driver(false),
                            test::shares(t.ranks, 1));
    test::stream data = test::data_of(c, test::bit_samples);
    data.poisoned = 22 * test::bit_samples;  // microbatch 22
    executor::run_request request;
    request.minibatches = minibatches;
    request.source = test::source_of(data);
    auto const r = engine.run(request, 0);
    REQUIRE(r.diverged);
    return std::pair(engine.updates(), r.diverged->update);
  };
  test::choice c{.schedule = 3, .optimizer = 1, .n = 2};
  auto const [shorter, shorter_update] = after(c, 16, {});
  c.n = 4;
  auto const [longer, longer_update] = after(c, 8, schedule::generate(schedule::paci{.every = 2}, {4, 4, 4}));
  CHECK(shorter > 1);
  CHECK(longer == shorter / 2);
  CHECK(longer_update == shorter_update);  // the stage's own count
}
