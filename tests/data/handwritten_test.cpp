// Handwritten-like digits: the same pixels everywhere, too hard for a linear classifier, easy to tell apart by looking.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include <foal/data/handwritten.hpp>

#include "tests/support/files.hpp"

using foal::data::dataset;
using foal::data::handwritten;
using foal::data::split;

namespace {

/// FNV-1a over all pixels.
std::uint64_t checksum(split const& s) {
  std::uint64_t h = 0xCBF29CE484222325;
  for (long long i = 0; i < s.size(); ++i)
    for (std::uint8_t const p : s.pixels(i)) h = (h ^ p) * 0x100000001B3;
  return h;
}

std::vector<double> inputs(split const& s) {
  std::vector<double> x(static_cast<std::size_t>(s.size() * s.sample().size()));
  for (long long i = 0; i < s.size(); ++i) s.write_sample(i, x.data() + i * s.sample().size());
  return x;
}

/// Test accuracy of softmax regression, trained by plain SGD.
double linear_accuracy(dataset const& d) {
  std::size_t const in = static_cast<std::size_t>(d.train.sample().size());
  std::vector<double> const x = inputs(d.train), test = inputs(d.test);
  std::vector<double> w(10 * (in + 1));
  double score[10];
  auto const scores = [&](double const* sample) {
    for (std::size_t k = 0; k < 10; ++k) {
      score[k] = w[k * (in + 1) + in];
      for (std::size_t i = 0; i < in; ++i) score[k] += w[k * (in + 1) + i] * sample[i];
    }
  };
  for (int epoch = 0; epoch < 20; ++epoch)
    for (std::size_t n = 0; n < static_cast<std::size_t>(d.train.size()); ++n) {
      scores(&x[n * in]);
      double const top = *std::max_element(score, score + 10);
      double sum = 0;
      for (double& s : score) sum += s = std::exp(s - top);
      double const rate = epoch < 14 ? 0.005 : 0.0005;
      for (std::size_t k = 0; k < 10; ++k) {
        double const g = rate * (score[k] / sum - (n % 10 == k ? 1 : 0));
        for (std::size_t i = 0; i < in; ++i) w[k * (in + 1) + i] -= g * x[n * in + i];
        w[k * (in + 1) + in] -= g;
      }
    }
  int right = 0;
  for (long long n = 0; n < d.test.size(); ++n) {
    scores(&test[static_cast<std::size_t>(n) * in]);
    right += std::max_element(score, score + 10) - score == d.test.label(n);
  }
  return right / static_cast<double>(d.test.size());
}

}  // namespace

TEST_CASE("the same seed writes the same digits with every compiler and flag") {
  dataset const d = handwritten({.train = 300, .test = 100});
  CHECK(checksum(d.train) == 0x6804C68850B832DA);
  CHECK(checksum(d.test) == 0x3CF6173CC0CD7852);
  dataset const large = handwritten({.train = 50, .test = 20, .seed = 2, .size = 28});
  CHECK(checksum(large.train) == 0xB12940CA32461768);
}

TEST_CASE("a digit depends on seed, split and its index alone") {
  dataset const few = handwritten({.train = 20, .test = 20}), many = handwritten({.train = 70, .test = 60});
  for (long long i = 0; i < 20; ++i) {
    CHECK(std::equal(few.train.pixels(i).begin(), few.train.pixels(i).end(), many.train.pixels(i).begin()));
    CHECK(std::equal(few.test.pixels(i).begin(), few.test.pixels(i).end(), many.test.pixels(i).begin()));
    CHECK_FALSE(std::equal(few.test.pixels(i).begin(), few.test.pixels(i).end(), few.train.pixels(i).begin()));
  }
  CHECK(checksum(few.train) != checksum(handwritten({.train = 20, .test = 20, .seed = 2}).train));
}

TEST_CASE("digits are balanced, of the size asked for, and neither blank nor full") {
  for (int size : {8, 11, 28, 64}) {
    dataset const d = handwritten({.train = 200, .test = 10, .size = size});
    CHECK(d.train.sample() == foal::image(1, size, size));
    CHECK(d.train.classes() == 10);
    for (long long i = 0; i < d.train.size(); ++i) {
      CHECK(d.train.label(i) == i % 10);
      auto const p = d.train.pixels(i);
      auto const inked = std::count_if(p.begin(), p.end(), [](std::uint8_t v) { return v > 70; });
      INFO("size " << size << ", sample " << i);
      CHECK(inked * 100 > size * size * 4);
      CHECK(inked * 100 < size * size * 60);
    }
  }
}

TEST_CASE("a linear classifier finds the digits hard, but not hopeless") {
  double const accuracy = linear_accuracy(handwritten());
  INFO("accuracy " << accuracy);
  CHECK(accuracy > 0.75);
  CHECK(accuracy < 0.90);
}

TEST_CASE("handwritten refuses sizes that it cannot write") {
  using foal_test::complaint;
  CHECK_THAT(complaint([] { handwritten({.size = 7}); }), Catch::Contains("size is 7 pixels where 8 to 64"));
  CHECK_THAT(complaint([] { handwritten({.size = 65}); }), Catch::Contains("65"));
  CHECK_THAT(complaint([] { handwritten({.train = 0}); }), Catch::Contains("0 training and 1000 test"));
}
