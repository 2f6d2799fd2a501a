// Gradients that come too late: thrown away, and refused where that is all of them.
#include <foal/policy/delay/delay_threshold.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/staleness_aware.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/staleness_aware.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"
#include "tests/support/trajectory.hpp"

using namespace foal;

TEST_CASE("a threshold keeps what is below it", "[delay]") {
  delay::delay_threshold const p{.threshold = 3};
  CHECK(p.microbatch_gradient<double>({.lag = 2})(0.5, 1, 1) == 0.5);
  CHECK(p.microbatch_gradient<double>({.lag = 3})(0.5, 1, 1) == 0);
}

TEST_CASE("in a minibatch those microbatches count that are not late", "[delay]") {
  // 2 microbatches, 3 stages, 1F1B: of stage 0 the lags are 1; of stage 1 they are 1 and 0 updates; of stage 2 they are 0.
  using run =
      trainer<test::mlp<3>, loss::cross_entropy, schedule::async_1f1b, optim::sgd, scalar<double>, delay::delay_threshold>;
  using plain = trainer<test::mlp<3>, loss::cross_entropy, schedule::async_1f1b, optim::sgd, scalar<double>>;
  CHECK_THROWS_WITH(run({.microbatch_size = 2, .microbatches = 2, .delay = {.threshold = 1}}),
                    Catch::Contains("cannot throw away gradients of 1 updates of delay at stage 0, because every microbatch "
                                    "there is 1 updates late or more"));
  run all({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.1}, .delay = {.threshold = 2}});
  plain as({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.1}});
  all.run(test::stream{}, {.minibatches = 9});
  as.run(test::stream{}, {.minibatches = 9});
  auto const a = all.all_weights(), b = as.all_weights();
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  CHECK(worst < 1e-13);
  using one_late =
      trainer<test::mlp<2>, loss::cross_entropy, schedule::async_1f1b, optim::sgd, scalar<double>, delay::delay_threshold>;
  using two = trainer<test::mlp<2>, loss::cross_entropy, schedule::async_1f1b, optim::sgd, scalar<double>>;
  one_late kept({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.1}, .delay = {.threshold = 1}});
  two whole({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.1}});
  kept.run(test::stream{}, {.minibatches = 9});
  whole.run(test::stream{}, {.minibatches = 9});
  CHECK(kept.weights(0, 0) != whole.weights(0, 0));  // its first microbatch of two is late
}
