// Costs from traces: medians, by stage and sample.
#include <foal/schedule/cost/measured_items.hpp>

#include <catch2/catch.hpp>

using namespace foal::schedule;

TEST_CASE("a trace gives the medians of its stages by sample", "[schedule]") {
  std::vector<foal::report::span> spans;
  auto const add = [&](int stage, char const* kind, long long seconds) {
    spans.push_back({.stage = stage, .kind = kind, .begin_ns = 5, .end_ns = 5 + seconds * 1'000'000'000});
  };
  for (long long const first : {90, 4, 4, 2, 8}) add(0, "F", first);
  add(0, "BW", 12), add(0, "U", 3);
  add(1, "F", 6), add(1, "B", 8), add(1, "W", 2);
  auto const items = measured_items(spans, 2, 2);
  REQUIRE(items.size() == 2);
  CHECK(items[0].forward == 2);
  CHECK(items[0].backward == 3);
  CHECK(items[0].weight == 3);
  CHECK(items[0].update == 3);
  CHECK(items[1].forward == 3);
  CHECK(items[1].backward == 4);
  CHECK(items[1].weight == 1);
  CHECK(items[1].update == 0);
  CHECK_THROWS_WITH(
      measured_items(spans, 3, 2),
      "cannot measure stage 2 of 3, because the trace has no forward of it, in a whole minibatch; trace a run that "
      "trains all of them, on one worker, in a buffer that is large enough");
  CHECK_THROWS_WITH(
      measured_items(spans, 2, 0),
      "cannot measure 2 stages with microbatches of 0 samples, 1 in a minibatch, in 1 segments, because there is "
      "nothing to measure; give 1 or more of each");
}

TEST_CASE("microbatches of different lengths count by whole minibatches", "[schedule]") {
  std::vector<foal::report::span> spans;
  auto const add = [&](char const* kind, long long microbatch, long long seconds) {
    spans.push_back({.kind = kind, .microbatch = microbatch, .begin_ns = 5, .end_ns = 5 + seconds * 1'000'000'000});
  };
  // Of three minibatches of three; the last F is missing, so its minibatch does not count.
  for (long long m = 0; m < 8; ++m) add("F", m, m % 3 == 2 ? 7 : 1);
  for (long long m = 0; m < 9; ++m) add("BW", m, m % 3 == 0 ? 10 : 4);
  for (long long m : {2, 5, 8}) add("U", m, 2);
  CHECK(measured_items(spans, 1, 1)[0].forward == 1);
  plan_item const whole = measured_items(spans, 1, 1, 3)[0];
  CHECK(whole.forward == 3);
  CHECK(whole.backward == 3);
  CHECK(whole.weight == 3);
  CHECK(whole.update == 2);
  CHECK_THROWS_WITH(measured_items(spans, 1, 1, 10),
                    Catch::Contains("the trace has no forward of it, in a whole minibatch"));
}

TEST_CASE("the ops of a microbatch's segments are added", "[schedule]") {
  std::vector<foal::report::span> spans;
  auto const add = [&](char const* kind, long long microbatch, long long seconds) {
    spans.push_back({.kind = kind, .microbatch = microbatch, .begin_ns = 5, .end_ns = 5 + seconds * 1'000'000'000});
  };
  for (long long m = 0; m < 4; ++m)
    for (long long const segment : {1, 3}) add("F", m, segment), add("BW", m, 2 * segment);
  CHECK(measured_items(spans, 1, 1, 1, 2)[0].forward == 4);
  plan_item const whole = measured_items(spans, 1, 1, 2, 2)[0];
  CHECK(whole.forward == 4);
  CHECK(whole.backward == 4);
  CHECK(whole.weight == 4);
}
