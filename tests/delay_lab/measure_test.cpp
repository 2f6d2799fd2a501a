// The laboratory's measure: targets, steps to them, ratios of whole curves, intervals.
#include "examples/delay_lab/measure.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

namespace {

/// Loss 10 e^{-t / slow} at t = 1, 2, ...
std::vector<double> falling(double slow, int n) {
  std::vector<double> c;
  for (int t = 1; t <= n; ++t) c.push_back(10 * std::exp(-t / slow));
  return c;
}

}  // namespace

TEST_CASE("A curve that is k times slower has a ratio of k", "[delay_lab]") {
  auto const without = falling(100, 400);
  auto const targets = delay_lab::targets_of(without);
  REQUIRE(targets.size() == 8);
  CHECK(targets.front() > targets.back());
  for (double const k : {1.0, 1.1, 1.27, 1.6})
    CHECK(delay_lab::ratio_of(falling(100 * k, 400), without, targets) == Approx(k).epsilon(0.01));
  CHECK(delay_lab::ratio_of(falling(1000, 400), without, targets) == delay_lab::never);
  CHECK(delay_lab::ratio_of({}, without, targets) == delay_lab::never);
}

TEST_CASE("Steps to a target are counted from 1, and between points by a straight line", "[delay_lab]") {
  std::vector<double> const c{5, 4, 2, 3, 1};
  CHECK(delay_lab::steps_to(c, 6) == 1);
  CHECK(delay_lab::steps_to(c, 4) == 2);
  CHECK(delay_lab::steps_to(c, 3) == Approx(2.5));
  CHECK(delay_lab::steps_to(c, 1.5) == Approx(4.75));
  CHECK(delay_lab::steps_to(c, 0.5) == delay_lab::never);
}

TEST_CASE("A smoothed curve is the mean of what came last", "[delay_lab]") {
  std::vector<double> const c{3, 1, 5, 7};
  CHECK(delay_lab::smoothed(c, 2) == std::vector<double>{3, 2, 3, 6});
  CHECK(delay_lab::smoothed(c, 1) == c);
}

TEST_CASE("An interval holds the median, is the same every time, and knows of runs that never came", "[delay_lab]") {
  std::vector<double> const values{1.1, 1.2, 1.3, 1.5, 2.0};
  auto const a = delay_lab::bootstrap(values), b = delay_lab::bootstrap(values);
  CHECK(a.median == 1.3);
  CHECK(a.low == b.low);
  CHECK(a.low >= 1.1);
  CHECK(a.low < a.median);
  CHECK(a.high > a.median);
  CHECK(a.high <= 2.0);
  CHECK(delay_lab::bootstrap(std::vector<double>{1.0, delay_lab::never, delay_lab::never}).median == delay_lab::never);
}
