// Saved activations counted, planned and seen: the same of a run, and an error where they are not.
#include "examples/recompute/saved.hpp"

#include <catch2/catch.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/trainer.hpp>

#include "tests/support/nets.hpp"

namespace {

template <class Schedule>
recompute::saved_bytes measured() {
  foal::trainer<foal::test::mlp<6>, foal::loss::cross_entropy, Schedule> t({.microbatch_size = 2, .microbatches = 2});
  foal::report::trace trace(1, 4096);
  foal::executor::run_request request;
  request.minibatches = 24;
  request.traces = &trace;
  t.run(foal::test::stream{.samples = 2}, request);
  REQUIRE(trace.dropped() == 0);
  return recompute::measure(t.tables(), t.engine(), trace.spans());
}

}  // namespace

TEST_CASE("what is counted, planned and seen of a run agrees") {
  auto const plain = measured<foal::schedule::pipemare>();
  auto const again = measured<foal::schedule::recomputed<foal::schedule::pipemare>>();
  CHECK(plain.agree());
  CHECK(again.agree());
  CHECK(again.planned < plain.planned);
  CHECK_NOTHROW(recompute::require_agreement(again, "with R"));
}

TEST_CASE("numbers that do not agree are an error that names them") {
  using Catch::Contains;
  recompute::saved_bytes const same{.counted = 640, .planned = 640, .peak = 640, .at_once = 512};
  CHECK_NOTHROW(recompute::require_agreement(same, "with R"));
  auto counted = same, planned = same, seen = same, written_over = same;
  counted.counted = 641;
  planned.planned = 642;
  seen.peak = 643;
  written_over.overlaps = 1;
  CHECK_THROWS_WITH(recompute::require_agreement(counted, "with R"),
                    Contains("cannot vouch for the saved activations with R, because 641 bytes were counted"));
  CHECK_THROWS_WITH(recompute::require_agreement(planned, "with R"), Contains("642 planned"));
  CHECK_THROWS_WITH(recompute::require_agreement(seen, "with R"), Contains("643 seen"));
  CHECK_THROWS_WITH(recompute::require_agreement(written_over, "with R"), Contains("and 1 ops wrote over"));
}
