// Numbers of policies that cannot work are refused with both values, alone and by the trainer.
#include <cmath>
#include <limits>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double endless = std::numeric_limits<double>::infinity();

template <class Policy>
void refused(Policy const& p, char const* number) {
  INFO(Policy::name << ", " << number);
  CHECK_THROWS_WITH(p.check(), Catch::StartsWith("cannot use ") && Catch::Contains(sentence("its ", number, " is ")));
}
template <class Policy>
void accepted(Policy const& p) {
  INFO(Policy::name);
  CHECK_NOTHROW(p.check());
}

}  // namespace

TEST_CASE("rates") {
  accepted(lr::constant{.rate = 0});
  for (double const bad : {-1.0, not_a_number, endless}) refused(lr::constant{.rate = bad}, "rate");
  refused(lr::constant{.warmup = -5}, "warmup");
  accepted(lr::step{.every = 1, .factor = 1});
  refused(lr::step{.every = 0}, "every");
  refused(lr::step{.factor = -0.1}, "factor");
  refused(lr::step{.rate = not_a_number}, "rate");
  refused(lr::cosine{.steps = -1}, "steps");
  refused(lr::cosine{.least = -1}, "least");
  refused(lr::inverse_sqrt{.rate = -1}, "rate");
  accepted(lr::reschedule<lr::step>{.steps = 0, .floor = 0});
  refused(lr::reschedule<lr::step>{.base = {.every = 0}}, "every");
  refused(lr::reschedule<lr::step>{.steps = -500}, "steps");
  refused(lr::reschedule<lr::step>{.floor = not_a_number}, "floor");
}

TEST_CASE("optimizers") {
  refused(optim::sgd{.weight_decay = -1}, "weight_decay");
  accepted(optim::momentum{.momentum = 0});
  refused(optim::momentum{.momentum = 1.5}, "momentum");
  refused(optim::adam{.beta1 = 1}, "beta1");
  refused(optim::adam{.beta2 = 1}, "beta2");
  refused(optim::adamw{.eps = -1e-8}, "eps");
  refused(optim::adamw{.weight_decay = not_a_number}, "weight_decay");
  accepted(optim::averaged<optim::sgd>{.average_decay = 1});  // a plain mean
  refused(optim::averaged<optim::sgd>{.average_decay = 1.5}, "average_decay");
  refused(optim::averaged<optim::adam>{.base = {.beta1 = 1}}, "beta1");
}

TEST_CASE("what is left") {
  for (double const bad : {0.0, -1.0, not_a_number}) refused(clip::per_stage{.norm = bad}, "norm");
  refused(warmup::synchronous{.minibatches = -5}, "minibatches");
  accepted(delay::discrepancy_correction{.decay = 0});  // delta is the last update
  for (double const bad : {-1.0, 1.0, 2.0, not_a_number}) refused(delay::discrepancy_correction{.decay = bad}, "decay");
  refused(delay::chain<delay::none, delay::discrepancy_correction>{.second = {.decay = 2}}, "decay");
  refused(loss::cross_entropy{.label_smoothing = 3}, "label_smoothing");
  for (double const bad : {-1.0, not_a_number, endless}) refused(initialisation::he{.gain = bad}, "gain");
}

TEST_CASE("a trainer asks its policies, a user's too") {
  struct impossible : lr::constant {
    void check() const { throw error("cannot, because never; do not"); }
  };
  using run = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, optim::adam, lr::step,
                      delay::discrepancy_correction, clip::per_stage, warmup::synchronous>;
  using Catch::Contains;
  CHECK_NOTHROW(run({}));
  CHECK_THROWS_WITH(run({.lr = {.every = 0}}), Contains("cannot use step, because its every is 0 where 1 or more"));
  CHECK_THROWS_WITH(run({.optim = {.beta1 = 1}}), Contains("beta1"));
  CHECK_THROWS_WITH(run({.loss = {.label_smoothing = 1}}), Contains("label_smoothing"));
  CHECK_THROWS_WITH(run({.delay = {.decay = 1}}), Contains("decay"));
  CHECK_THROWS_WITH(run({.clip = {.norm = 0}}), Contains("norm"));
  CHECK_THROWS_WITH(run({.warmup = {.minibatches = -1}}), Contains("minibatches"));
  CHECK_THROWS_WITH((trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, impossible>({})), Contains("never"));
}
