// Rates by delay for the parameters of one optimizer: against a plain loop, and in a run, where others keep their rate.
#include <foal/policy/optim/slowed_by_delay.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/grouped.hpp>
#include <foal/policy/optim/matrices_apart.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/muon.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "tests/support/followed.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/watcher.hpp"

using namespace foal;

static_assert(optim::elementwise<optim::slowed_by_delay<optim::adamw>>);
static_assert(!optim::takes_parameters<optim::slowed_by_delay<optim::adamw>>);
static_assert(optim::takes_parameters<optim::slowed_by_delay<optim::orthogonal_momentum>>);
static_assert(optim::bounds_itself<optim::slowed_by_delay<optim::momentum>, float>);
static_assert(optim::bounds_parameters<optim::slowed_by_delay<optim::orthogonal_momentum>, float>);
static_assert(optim::has_rules<optim::slowed_by_delay<optim::grouped<optim::adamw>>>);
static_assert(!optim::has_rules<optim::slowed_by_delay<optim::adamw>>);
static_assert(!optim::has_rules<optim::matrices_apart<optim::orthogonal_momentum, optim::adamw>>);

TEST_CASE("A rate is divided by a power of the delay, and by nothing at one update and less", "[slowed_by_delay]") {
  for (double const tau : {0.0, 0.5, 1.0, 16.0}) {
    double v = 0;
    double const divisor = tau > 1 ? 8 : 1;  // 16^0.75
    test::follow_steps(optim::slowed_by_delay<optim::momentum>{.power = 0.75},
                       [&](double& w, double g, double lr, int) {
                         v = 0.9 * v + g;
                         w -= lr / divisor * v;
                       },
                       {.tau_fwd = tau});
  }
  CHECK_THROWS_AS((optim::slowed_by_delay<optim::momentum>{.power = -1}.check()), foal::error);
  CHECK_THROWS_AS((optim::slowed_by_delay<optim::adamw>{.base = {.weight_decay = -1}}.check()), foal::error);
}

TEST_CASE("In a run each stage has the rate of its delay", "[slowed_by_delay]") {
  using run = trainer<test::mlp<3>, loss::cross_entropy, schedule::pipemare, optim::slowed_by_delay<optim::sgd>,
                      test::watcher<double>, scalar<double>>;
  std::vector<std::vector<test::seen_update<double>>> seen(3);
  run t({.microbatch_size = 2, .microbatches = 1, .lr = {.rate = 0.05}, .hook = {&seen}});
  std::vector<std::vector<double>> w;
  for (int s = 0; s < 3; ++s) w.push_back(t.weights(s, 0));
  t.run(test::stream{.samples = 2}, {.minibatches = 20});
  double const tau[] = {5, 3, 1};
  for (std::size_t s = 0; s < 3; ++s)
    for (auto const& u : seen[s])
      for (std::size_t i = 0; i < w[s].size(); ++i) {
        w[s][i] -= 0.05 / std::sqrt(tau[s]) * u.gradient[i];
        REQUIRE(w[s][i] == Approx(u.weights[i]).epsilon(1e-11).margin(1e-12));
      }
}

TEST_CASE("Matrices keep their rate where the rest is slowed, and the other way round", "[slowed_by_delay]") {
  using turned = optim::orthogonal_momentum;
  auto const weights = []<class O>(O const& o) {
    trainer<test::mlp<3>, loss::cross_entropy, schedule::pipemare, O> t(
        {.microbatch_size = 2, .microbatches = 1, .optim = o, .lr = {.rate = 0.02}});
    t.run(test::stream{.samples = 2}, {.minibatches = 12});
    return t.all_weights();
  };
  auto const plain = weights(optim::matrices_apart<turned, optim::adamw>{});
  CHECK(weights(optim::matrices_apart<turned, optim::slowed_by_delay<optim::adamw>>{.rest = {.power = 0}}) == plain);
  CHECK(weights(optim::matrices_apart<turned, optim::slowed_by_delay<optim::adamw>>{}) != plain);
  CHECK(weights(optim::matrices_apart<optim::slowed_by_delay<turned>, optim::adamw>{.matrices = {.power = 0}}) == plain);
  CHECK(weights(optim::matrices_apart<optim::slowed_by_delay<turned>, optim::adamw>{}) != plain);
  // Biases do not decay on either side of the rate.
  using optim::grouped, optim::slowed_by_delay, optim::adamw;
  auto const outside = weights(optim::matrices_apart<turned, grouped<slowed_by_delay<adamw>>>{});
  CHECK(weights(optim::matrices_apart<turned, slowed_by_delay<grouped<adamw>>>{}) == outside);
  CHECK(weights(optim::matrices_apart<turned, slowed_by_delay<adamw>>{}) != outside);
}
