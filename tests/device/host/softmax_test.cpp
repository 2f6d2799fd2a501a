#include <foal/device/host/softmax.hpp>

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "../../support/layer_check.hpp"
#include "../../support/plain_softmax.hpp"

using foal::device::host_ops::cross_entropy_ops;
using foal::device::host_ops::exponential;
using namespace foal::test;

TEST_CASE("exponential: close to e^x, exact where it matters", "[device]") {
  double worst = 0;
  for (int i = -87250; i <= 88000; ++i) {
    float const x = static_cast<float>(i) * 1e-3F;
    double const wanted = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(exponential(x)) - wanted) / wanted);
  }
  CHECK(worst < 2.4e-7);
  CHECK(exponential(0.0F) == 1);
  CHECK(exponential(-88.0F) == 0);
  CHECK(exponential(-1e30F) == 0);
  CHECK(exponential(-std::numeric_limits<float>::infinity()) == 0);
  CHECK(std::isnan(exponential(std::numeric_limits<float>::quiet_NaN())));
  CHECK(exponential(-3.0) == std::exp(-3.0));
}

namespace {

template <class S>
void compare_with_plain(int rows, int cols, double smoothing, double size) {
  auto x = random_numbers<S>(static_cast<std::size_t>(rows * cols), 5);
  for (S& value : x) value *= static_cast<S>(size);
  std::vector<std::int32_t> target(static_cast<std::size_t>(rows));
  for (int r = 0; r < rows; ++r) target[static_cast<std::size_t>(r)] = r % 5 == 3 ? -100 : (r * 37) % cols;
  std::vector<S> dx(x.size(), S(5)), wanted_dx(x.size(), S(7));
  auto const with = cross_entropy_ops::softmax_cross_entropy(rows, cols, x.data(), target.data(), smoothing, 3.0, dx.data());
  auto const without = cross_entropy_ops::softmax_cross_entropy(rows, cols, x.data(), target.data(), smoothing, 3.0,
                                                                static_cast<S*>(nullptr));
  auto const wanted = plain_softmax_cross_entropy(rows, cols, x.data(), target.data(), smoothing, 3.0, wanted_dx.data());
  double const rounding = sizeof(S) == 4 ? 1e-6 : 1e-13;
  CHECK(with.sum == Approx(wanted.sum).epsilon(rounding).margin(rounding * 1e-3));
  CHECK(with.correct == wanted.correct);
  CHECK(with.counted == wanted.counted);
  CHECK(relative_error(dx, wanted_dx) < rounding);
  CHECK(without.sum == with.sum);
  CHECK(without.correct == with.correct);
  CHECK(without.counted == with.counted);
}

}  // namespace

TEMPLATE_TEST_CASE("softmax_cross_entropy: against the plain oracle", "[device]", float, double) {
  for (int const cols : {1, 2, 10, 16, 31, 33, 300, 8000})
    for (double const smoothing : {0.0, 0.1})
      for (double const size : {1.0, 9.0, 80.0}) compare_with_plain<TestType>(7, cols, smoothing, size);
}

TEMPLATE_TEST_CASE("softmax_cross_entropy: rows do not depend on each other", "[device]", float, double) {
  constexpr int rows = 3, cols = 50;
  auto const x = random_numbers<TestType>(rows * cols, 1);
  std::vector<std::int32_t> const target{4, -100, 20};
  std::vector<TestType> all(rows * cols), one(cols);
  double sum = 0;
  auto const together = cross_entropy_ops::softmax_cross_entropy(rows, cols, x.data(), target.data(), 0.1, 2.0, all.data());
  for (std::size_t r = 0; r < rows; ++r) {
    sum +=
        cross_entropy_ops::softmax_cross_entropy(1, cols, x.data() + r * cols, target.data() + r, 0.1, 2.0, one.data()).sum;
    CHECK(std::memcmp(one.data(), all.data() + r * cols, cols * sizeof(TestType)) == 0);
  }
  CHECK(together.sum == sum);
}

TEMPLATE_TEST_CASE("softmax_cross_entropy: of equal entries the first is the largest, wherever it stands", "[device]", float,
                   double) {
  for (std::int32_t first : {0, 1, 15, 16, 31, 32, 39}) {
    for (std::int32_t second = first + 1; second < 40; ++second) {
      std::vector<TestType> x(40, TestType(0));
      x[static_cast<std::size_t>(first)] = x[static_cast<std::size_t>(second)] = 1;
      auto const correct = [&](std::int32_t t) {
        return cross_entropy_ops::softmax_cross_entropy(1, 40, x.data(), &t, 0.0, 1.0, static_cast<TestType*>(nullptr))
            .correct;
      };
      CHECK((correct(first) == 1 && correct(second) == 0));
    }
  }
}

TEMPLATE_TEST_CASE("softmax_cross_entropy: huge entries, and classes of probability 0", "[device]", float, double) {
  TestType const none = -std::numeric_limits<TestType>::infinity();
  std::vector<TestType> const x{10000, 9999, -10000, none, 2, 1};
  std::vector<std::int32_t> const target{1, 2};
  std::vector<TestType> dx(6), wanted(6);
  auto const here = cross_entropy_ops::softmax_cross_entropy(2, 3, x.data(), target.data(), 0.0, 1.0, dx.data());
  auto const there = plain_softmax_cross_entropy(2, 3, x.data(), target.data(), 0.0, 1.0, wanted.data());
  CHECK(here.sum == Approx(there.sum).epsilon(1e-6));
  CHECK(relative_error(dx, wanted) < 1e-6);
  CHECK(dx[3] == 0);
}

TEMPLATE_TEST_CASE("softmax_cross_entropy: a row that is nearly certain keeps its gradient", "[device]", float, double) {
  std::vector<TestType> const x{0, 15};
  std::int32_t const target = 1;
  std::vector<TestType> dx(2);
  cross_entropy_ops::softmax_cross_entropy(1, 2, x.data(), &target, 0.0, 1.0, dx.data());
  double const p = std::exp(-15.0) / (1 + std::exp(-15.0));
  CHECK(static_cast<double>(dx[0]) == Approx(p).epsilon(1e-6));
  CHECK(static_cast<double>(dx[1]) == Approx(-p).epsilon(1e-6));
}
