// The moving average of weights: training keeps its bits, the average follows its formula, evaluation can read it.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using test::mlp;

template <class Optimizer>
using run =
    trainer<mlp<3>, loss::cross_entropy, schedule::pipemare, Optimizer, delay::discrepancy_correction, scalar<double>>;

}  // namespace

TEST_CASE("The average follows its formula, and training keeps its bits", "[averaged]") {
  test::stream const data{.samples = 2};
  double const decay = 0.8;
  run<optim::averaged<optim::adam>> t({.microbatch_size = 2,
                                       .microbatches = 2,
                                       .optim = {.base = {.beta1 = 0.8}, .average_decay = decay},
                                       .lr = {.rate = 0.05}});
  run<optim::adam> plain({.microbatch_size = 2, .microbatches = 2, .optim = {.beta1 = 0.8}, .lr = {.rate = 0.05}});
  std::vector<double> expected(t.weights(1, 0).size(), 0);
  for (int k = 1; k <= 12; ++k) {
    // A call drains, so both runs see the same delays.
    t.run(data, {.minibatches = 1});
    plain.run(data, {.minibatches = 1});
    auto const w = t.weights(1, 0);
    double const d = std::min(decay, (k - 1.0) / k);
    for (std::size_t i = 0; i < w.size(); ++i) expected[i] = d * expected[i] + (1 - d) * w[i];
  }
  CHECK(t.all_weights() == plain.all_weights());
  auto const average = t.average(1, 0);
  for (std::size_t i = 0; i < average.size(); ++i) CHECK(average[i] == Approx(expected[i]).epsilon(1e-12));
}

TEST_CASE("Evaluation reads the average in place of the weights", "[averaged]") {
  test::first_samples const data{20};
  run<optim::averaged<optim::momentum>> t({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.1}});
  test::stream const stream{.samples = 2};
  t.run(stream, {.minibatches = 15});
  auto const average = t.evaluate_average(data), now = t.evaluate(data);
  CHECK(average.loss != now.loss);
  for (int s = 0; s < 3; ++s)
    for (std::size_t p = 0; p < 2; ++p) t.set_weights(s, p, t.average(s, p));
  CHECK(t.evaluate(data).loss == average.loss);
}

TEST_CASE("There is no average before the first update", "[averaged]") {
  run<optim::averaged<optim::momentum>> t({.microbatch_size = 2});
  CHECK_THROWS_WITH(t.evaluate_average(test::first_samples{}), Catch::Contains("there were 0 updates"));
  CHECK_THROWS_WITH(t.average(0, 0), Catch::Contains("there were 0 updates"));
}
