// Adan against the loop of its authors' code (sail-sg/Adan).
#include <foal/policy/optim/adan.hpp>

#include "tests/support/followed.hpp"

using namespace foal;

TEST_CASE("adan is the loop of its authors", "[adan]") {
  for (double const decay : {0.0, 0.3}) {
    double m = 0, v = 0, n = 0, before = 0;
    test::follow_steps(optim::adan{.weight_decay = decay}, [&](double& w, double g, double lr, int t) {
      double const d = t == 1 ? 0 : g - before;
      before = g;
      m += (1 - 0.98) * (g - m);
      v += (1 - 0.92) * (d - v);
      n += (1 - 0.99) * ((g + 0.92 * d) * (g + 0.92 * d) - n);
      double const below = std::sqrt(n) / std::sqrt(1 - std::pow(0.99, t)) + 1e-8;
      w -= lr / (1 - std::pow(0.98, t)) * m / below;
      w -= lr * 0.92 / (1 - std::pow(0.92, t)) * v / below;
      w /= 1 + lr * decay;
    });
  }
}

TEST_CASE("adan refuses numbers that cannot work", "[adan]") {
  CHECK_THROWS_AS(optim::adan{.beta3 = 1}.check(), foal::error);
  CHECK_THROWS_AS(optim::adan{.eps = -1}.check(), foal::error);
}
