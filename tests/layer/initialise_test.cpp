#include <foal/layer/initialise.hpp>

#include <catch2/catch.hpp>
#include <vector>

using foal::initial;
using foal::initialisation::fill;

TEST_CASE("initial: normal numbers of the declared variance, one stream a parameter", "[layer]") {
  constexpr int n = 200000;
  std::vector<double> w(n);
  fill(initial{initial::kind::normal, 2, 50}, 7, 3, 0, n, w.data());
  double sum = 0, squares = 0, fourth = 0, neighbours = 0;
  for (std::size_t i = 0; i < n; ++i) {
    sum += w[i];
    squares += w[i] * w[i];
    fourth += w[i] * w[i] * w[i] * w[i];
    if (i % 2 == 1) neighbours += w[i] * w[i - 1];
  }
  double const variance = 2.0 / 50;
  CHECK(std::abs(sum / n) < 4 * std::sqrt(variance / n));
  CHECK(squares / n == Approx(variance).epsilon(0.015));
  CHECK(fourth / n == Approx(3 * variance * variance).epsilon(0.04));  // a uniform one has 1.8
  CHECK(std::abs(neighbours / (n / 2)) < 4 * variance / std::sqrt(n / 2));

  std::vector<double> again(10), other(10);
  fill(initial{initial::kind::normal, 2, 50}, 7, 3, 0, 10, again.data());
  fill(initial{initial::kind::normal, 2, 50}, 7, 3, 1, 10, other.data());
  CHECK(again == std::vector<double>(w.begin(), w.begin() + 10));
  CHECK(again != other);
}

TEST_CASE("initial: uniform numbers within their bound, constants", "[layer]") {
  std::vector<float> w(10000);
  fill(initial{initial::kind::uniform, 1.0 / 3, 25}, 7, 3, 0, 10000, w.data());
  float least = 1, most = -1;
  for (float const value : w) least = std::min(least, value), most = std::max(most, value);
  CHECK((least >= -0.2F && least < -0.199F && most <= 0.2F && most > 0.199F));
  fill(initial{initial::kind::constant, 3, 1}, 7, 3, 0, 10000, w.data());
  CHECK(w == std::vector<float>(10000, 3));
}

TEST_CASE("he: scales uniform weights alone", "[layer]") {
  foal::initialisation::he const he;
  foal::parameter const normal{"weight", {2, {4, 5, 1, 1}}, {initial::kind::normal, 1, 5}, true};
  CHECK(he.of(normal).how == initial::kind::normal);
  foal::parameter const uniform{"weight", {2, {4, 5, 1, 1}}, {initial::kind::uniform, 1.0 / 3, 4}, true};
  CHECK(he.of(uniform).value == Approx(2));
}
