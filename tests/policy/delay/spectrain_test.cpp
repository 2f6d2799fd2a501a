// SpecTrain's horizons, and where they mean nothing.
#include <foal/policy/delay/spectrain.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"

using namespace foal;

TEST_CASE("SpecTrain: F reads s = r/2 + D - r - 1 steps ahead, B r/2", "[delay]") {
  delay::spectrain const p;
  double const rate = 0.125, v = 0.5;
  int const forward[] = {3, 2, 2, 1}, backward[] = {0, 0, 1, 1};  // of 4 ranks, the paper's formula
  for (int r = 0; r < 4; ++r)
    for (int n : {1, 2}) {
      delay::moment const m{
          .tau_fwd = (3.0 - r) / n, .rate = rate, .updates = 1, .stage = r, .stages = 4, .microbatches = n};
      CHECK(p.forward_weight<double>(m)(1.0, v) == 1 - rate * forward[r] / n * v);
      CHECK(p.backward_weight<double>(m)(1.0, v) == 1 - rate * backward[r] / n * v);
    }
}

TEST_CASE("SpecTrain: the lag between F and B is what its two horizons differ by", "[delay]") {
  // Both predict one point: the weights when the minibatch is through.
  for (int d : {2, 5, 8})
    for (int r = 0; r < d; ++r) {
      delay::moment const m{.tau_fwd = d - 1.0 - r, .rate = 1, .updates = 1, .stage = r, .stages = d};
      double const f = delay::spectrain{}.forward_weight<double>(m)(0.0, 1.0);
      CHECK(delay::spectrain{}.backward_weight<double>(m)(0.0, 1.0) - f == m.tau_fwd);
    }
}

TEST_CASE("SpecTrain is refused where delays are not those of 1F1B", "[delay]") {
  using fits = trainer<test::mlp<4>, loss::cross_entropy, schedule::async_1f1b, optim::momentum, delay::spectrain>;
  CHECK_NOTHROW(fits({.microbatches = 2}));
  using other = trainer<test::mlp<4>, loss::cross_entropy, schedule::pipemare, optim::momentum, delay::spectrain>;
  CHECK_THROWS_WITH(other({.microbatches = 4}), Catch::Contains("cannot predict with SpecTrain at stage 0") &&
                                                    Catch::Contains("where F is 0.75 updates late, and here it is 1.75"));
}
