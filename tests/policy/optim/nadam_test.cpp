// NAdam against PyTorch's documented pseudo-code (torch.optim.NAdam), written out here.
#include <foal/policy/optim/nadam.hpp>

#include "tests/support/followed.hpp"

using namespace foal;

TEST_CASE("nadam is PyTorch's, its weight decay by itself", "[nadam]") {
  for (double const decay : {0.0, 0.2})
    for (double const beta : {0.9, 0.99}) {
      double m = 0, v = 0, product = 1;
      auto const mu = [beta](int t) { return beta * (1 - 0.5 * std::pow(0.96, t * 0.004)); };
      test::follow_steps(optim::nadam{.beta1 = beta, .weight_decay = decay}, [&](double& w, double g, double lr, int t) {
        w *= 1 - lr * decay;
        product *= mu(t);
        m = beta * m + (1 - beta) * g;
        v = 0.999 * v + (1 - 0.999) * g * g;
        double const m_hat = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product);
        w -= lr * m_hat / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
      });
    }
}

TEST_CASE("nadam refuses numbers that cannot work", "[nadam]") {
  CHECK_THROWS_AS(optim::nadam{.beta1 = 1}.check(), foal::error);
  CHECK_THROWS_AS(optim::nadam{.momentum_ramp = -1}.check(), foal::error);
  CHECK_NOTHROW(optim::nadam{}.check());
}
