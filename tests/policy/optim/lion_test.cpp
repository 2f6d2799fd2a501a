// Lion against the loop of its paper (Chen et al. 2023, program 1).
#include <foal/policy/optim/lion.hpp>

#include "tests/support/followed.hpp"

using namespace foal;

TEST_CASE("lion is the loop of its paper", "[lion]") {
  for (double const decay : {0.0, 0.3}) {
    double m = 0;
    test::follow_steps(optim::lion{.weight_decay = decay}, [&](double& w, double g, double lr, int) {
      double const mixed = 0.9 * m + (1 - 0.9) * g, u = mixed > 0 ? 1 : mixed < 0 ? -1 : 0;
      w -= lr * (u + decay * w);
      m = 0.99 * m + (1 - 0.99) * g;
    });
  }
}

TEST_CASE("lion does not move where there is no gradient, and refuses numbers that cannot work", "[lion]") {
  double w = 2, m = 0;
  optim::lion{}.prepare<double>(0.1, 1)(w, 0.0, m);
  CHECK(w == 2);
  CHECK_THROWS_AS(optim::lion{.beta2 = 1}.check(), foal::error);
  CHECK_THROWS_AS(optim::lion{.weight_decay = -1}.check(), foal::error);
}
