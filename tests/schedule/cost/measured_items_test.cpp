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
  CHECK_THROWS_WITH(measured_items(spans, 3, 2),
                    "cannot measure stage 2 of 3, because the trace has no forward of it; trace a run that trains all of "
                    "them, on one worker, in a buffer that is large enough");
  CHECK_THROWS_WITH(measured_items(spans, 2, 0),
                    "cannot measure 2 stages with microbatches of 0 samples, because there is "
                    "nothing to measure; give 1 or more of both");
}
