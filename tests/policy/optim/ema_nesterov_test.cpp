// EMA-Nesterov against a plain loop over two optimizers.
#include <foal/policy/optim/ema_nesterov.hpp>

#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/grouped.hpp>
#include <foal/policy/optim/momentum.hpp>

#include "tests/support/followed.hpp"

using namespace foal;

static_assert(optim::optimizer<optim::ema_nesterov<optim::adamw>>);
static_assert(optim::has_rules<optim::ema_nesterov<optim::grouped<optim::adamw>>>);

TEST_CASE("A step is the base's and a share of the mean of its steps", "[ema_nesterov]") {
  for (double const peak : {0.0, 0.2}) {
    double v = 0, mean = 0;
    test::follow_steps(optim::ema_nesterov<optim::momentum>{.base = {.momentum = 0.8}, .decay = 0.9, .peak = peak},
                       [&](double& w, double g, double lr, int) {
                         v = 0.8 * v + g;
                         mean = 0.9 * mean + (1 - 0.9) * -lr * v;
                         w += -lr * v + (peak > 0 ? 0.5 * lr / peak : 0.5) * mean;
                       });
  }
  CHECK_THROWS_AS((optim::ema_nesterov<optim::adamw>{.decay = 1}.check()), foal::error);
  CHECK_THROWS_AS((optim::ema_nesterov<optim::adamw>{.base = {.eps = -1}}.check()), foal::error);
}
