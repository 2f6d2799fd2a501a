// LAMB against the loop of its paper (You et al. 2020, algorithm 2), norms of the parameter among it.
#include <foal/policy/optim/lamb.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "tests/support/as_matrix.hpp"

using namespace foal;

TEST_CASE("lamb is the loop of its paper", "[lamb]") {
  for (double const decay : {0.0, 0.1}) {
    constexpr int n = 12;
    test::whole_parameter<optim::lamb> p({.weight_decay = decay}, test::matrix(3, 4));
    std::vector<double> w = p.w, m(n), v(n), r(n);
    for (int t = 1; t <= 20; ++t) {
      auto const g = test::turning_gradient(t, n);
      p.step(g, {.rate = 0.1 / t, .update = t});
      double of_w = 0, of_r = 0;
      for (std::size_t i = 0; i < n; ++i) {
        m[i] = 0.9 * m[i] + (1 - 0.9) * g[i];
        v[i] = 0.999 * v[i] + (1 - 0.999) * g[i] * g[i];
        r[i] = m[i] / (1 - std::pow(0.9, t)) / (std::sqrt(v[i] / (1 - std::pow(0.999, t))) + 1e-6) + decay * w[i];
        of_w += w[i] * w[i];
        of_r += r[i] * r[i];
      }
      for (std::size_t i = 0; i < n; ++i) {
        w[i] -= 0.1 / t * std::sqrt(of_w / of_r) * r[i];
        REQUIRE(p.w[i] == Approx(w[i]).epsilon(1e-11));
      }
    }
    CHECK(p.bounded);
  }
}

TEST_CASE("lamb moves a parameter of zeros by Adam's step, and none without a gradient", "[lamb]") {
  test::whole_parameter<optim::lamb> p({}, features(4));
  p.w.assign(4, 0);
  p.step({1, 1, 1, 1}, {.rate = 0.1, .update = 1});
  for (double w : p.w) CHECK(w == Approx(-0.1).epsilon(1e-5));
  test::whole_parameter<optim::lamb> still({.weight_decay = 0}, features(4));
  auto const before = still.w;
  still.step({0, 0, 0, 0}, {.rate = 0.1, .update = 1});
  CHECK(still.w == before);
  CHECK_THROWS_AS(optim::lamb{.eps = -1}.check(), foal::error);
}
