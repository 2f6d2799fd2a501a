// Several updates of a stage in a minibatch: the bits of a run whose minibatches are as long as what lies between two of
// them.
#include <catch2/catch.hpp>

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
        schedule::program const p = schedule::generate(test::often{.every = every}, {c.net, ranks, longer.n});
        for (int workers = 1; workers <= ranks; ++workers)
          CHECK(test::train(longer, workers, workers > 1, 12 / updates, {}, p) == reference);
      }
    }
  }
}
