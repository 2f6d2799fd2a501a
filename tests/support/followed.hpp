// Follows an elementwise optimizer beside a plain loop, and a parameter of a run as a matrix.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include <foal/policy/optim/concept.hpp>

namespace foal::test {

/// A gradient that changes sign, size and is sometimes 0.
inline double uneven_gradient(int t) { return t % 7 == 3 ? 0 : std::sin(1.7 * t) * (t % 5 + 0.1); }
inline double falling_rate(int t) { return 0.1 / (1 + 0.2 * t); }

/// Runs an optimizer of foal beside `expected`, a function (w, g, lr, t) of the test with state of its own; and checks that
/// no number is above what the optimizer says of it, where it does.
template <class Optimizer, class Expected>
void follow_steps(Optimizer const& optimizer, Expected expected, optim::moment at = {}) {
  double w = 1.3, other = 1.3, x[4] = {};
  optim::magnitudes most{.w = 1.3};
  for (int t = 1; t <= 60; ++t) {
    at.rate = falling_rate(t);
    at.update = t;
    double const g = uneven_gradient(t);
    auto const f = optim::prepare_at<double>(optimizer, at);
    if constexpr (Optimizer::states == 1)
      f(w, g, x[0]);
    else if constexpr (Optimizer::states == 2)
      f(w, g, x[0], x[1]);
    else if constexpr (Optimizer::states == 3)
      f(w, g, x[0], x[1], x[2]);
    else
      f(w, g, x[0], x[1], x[2], x[3]);
    expected(other, g, falling_rate(t), t);
    REQUIRE(w == Approx(other).epsilon(1e-12).margin(1e-13));
    if constexpr (optim::bounds_itself<Optimizer, double>) {
      most.g = std::abs(g);
      optimizer.template bound<double>(at.rate, t, most);
      REQUIRE(std::abs(w) <= most.w * (1 + 1e-12));
      for (int k = 0; k < Optimizer::states; ++k) REQUIRE(std::abs(x[k]) <= most.state[k] * (1 + 1e-12));
    }
  }
  CHECK(w != 1.3);
}

}  // namespace foal::test
