// A split: normalisation, channels, refusals.
#include <catch2/catch.hpp>
#include <cmath>

#include <foal/data/source.hpp>
#include <foal/data/split.hpp>

#include "tests/support/files.hpp"

using foal::data::normalisation;
using foal::data::split;
static_assert(foal::data::source<split>);

TEST_CASE("normalisation is measured per channel") {
  std::vector<std::uint8_t> const pixels{0, 100, 7, 255, 200, 7};  // two pixels of three channels
  normalisation const n = normalisation::measure(3, pixels);
  REQUIRE(n.mean.size() == 3);
  CHECK(n.mean[0] == Approx(0.5));
  CHECK(n.deviation[0] == Approx(0.5));
  CHECK(n.mean[1] == Approx(150.0 / 255));
  CHECK(n.deviation[1] == Approx(50.0 / 255));
  CHECK(n.mean[2] == Approx(7.0 / 255));
  CHECK(n.deviation[2] == 1);
}

TEST_CASE("a sample is (x / 255 - mean) / deviation, channels last") {
  split const s(foal::image(2, 1, 2), 3, {0, 51, 102, 153, 204, 255, 1, 2}, {2, 0}, {{0.5, 0.25}, {2, 0.5}});
  CHECK(s.size() == 2);
  CHECK(s.label(0) == 2);
  CHECK(s.label(1) == 0);
  double x[4];
  s.write_sample(0, x);
  CHECK(x[0] == Approx(-0.25));
  CHECK(x[1] == Approx((0.2 - 0.25) / 0.5));
  CHECK(x[2] == Approx((0.4 - 0.5) / 2));
  CHECK(x[3] == Approx((0.6 - 0.25) / 0.5));
  float y[4];
  s.write_sample(1, y);
  s.write_sample(1, x);
  for (int i = 0; i < 4; ++i) CHECK(y[i] == static_cast<float>(x[i]));
  float target = 0;
  s.write_target(0, &target);
  CHECK(target == 2);
}

TEST_CASE("a split normalised by its own numbers has mean 0 and deviation 1") {
  std::vector<std::uint8_t> pixels;
  for (std::uint32_t i = 0; i < 400; ++i) pixels.push_back(static_cast<std::uint8_t>(foal::random_word({3}, i)));
  normalisation const n = normalisation::measure(1, pixels);
  split const s(foal::image(1, 4, 10), 1, pixels, std::vector<std::int32_t>(10), n);
  double sum = 0, squares = 0;
  for (long long i = 0; i < 10; ++i) {
    double x[40];
    s.write_sample(i, x);
    for (double const v : x) sum += v, squares += v * v;
  }
  CHECK(sum / 400 == Approx(0).margin(1e-12));
  CHECK(squares / 400 == Approx(1));
}

TEST_CASE("a split refuses parts that do not fit") {
  using foal_test::complaint;
  normalisation const one{{0}, {1}};
  CHECK_THAT(complaint([&] { split(foal::features(4), 2, std::vector<std::uint8_t>(4), {0}, one); }),
             Catch::Contains("rank 1"));
  CHECK_THAT(complaint([&] { split(foal::image(1, 2, 2), 2, std::vector<std::uint8_t>(5), {0}, one); }),
             Catch::Contains("5 pixels are not 1 labels x 4"));
  CHECK_THAT(complaint([&] { split(foal::image(1, 2, 2), 2, std::vector<std::uint8_t>(4), {2}, one); }),
             Catch::Contains("label of sample 0 is 2 and there are 2 classes"));
  CHECK_THAT(complaint([&] { split(foal::image(1, 2, 2), 2, std::vector<std::uint8_t>(4), {-1}, one); }),
             Catch::Contains("is -1"));
  CHECK_THAT(complaint([&] { split(foal::image(2, 1, 2), 2, std::vector<std::uint8_t>(4), {0}, one); }),
             Catch::Contains("1 means and 1 deviations for 2 channels"));
}
