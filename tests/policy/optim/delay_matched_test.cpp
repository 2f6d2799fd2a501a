// Momentum by delay: against plain loops, and in a run, where each stage has the momentum of its own delay.
#include <foal/policy/optim/delay_matched.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/grouped.hpp>
#include <foal/policy/optim/matrices_apart.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/muon.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "tests/support/followed.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/watcher.hpp"

using namespace foal;

namespace {

/// An optimizer with rules and a momentum.
struct momentum_of_vectors : optim::momentum {
  template <class S>
  auto prepare(double rate, long long t, optim::parameter_rule r = {}) const {
    return optim::momentum::prepare<S>(rate * r.rate_factor, t);
  }
  template <class S>
  void bound(double rate, long long t, optim::magnitudes& m, optim::parameter_rule r = {}) const {
    optim::momentum::bound<S>(rate * r.rate_factor, t, m);
  }
  optim::parameter_rule rule(optim::parameter_view const& p) const { return {p.is_matrix() ? 0.0 : 1.0, 1}; }
};

}  // namespace

static_assert(optim::elementwise<optim::delay_matched<optim::adamw>>);
static_assert(!optim::takes_parameters<optim::delay_matched<optim::adamw>>);
static_assert(optim::takes_parameters<optim::delay_matched<optim::orthogonal_momentum>>);

TEST_CASE("A momentum that sums is discounted, one that averages is not", "[delay_matched]") {
  optim::delay_matched<optim::momentum> const o{.least = 5, .per_delay = 2};
  CHECK(o.momentum_at(0) == Approx(0.8));
  CHECK(o.momentum_at(10) == Approx(0.95));
  CHECK(o.momentum_at(1000) == Approx(0.99));
  for (bool const discount : {true, false}) {
    double v = 0;
    test::follow_steps(optim::delay_matched<optim::momentum>{.least = 5, .per_delay = 2, .discount = discount},
                       [&](double& w, double g, double lr, int) {
                         v = 0.95 * v + g;
                         w -= lr * (discount ? 0.05 / 0.2 : 1) * v;
                       },
                       {.tau_fwd = 10});
  }
  double m = 0, s = 0;
  test::follow_steps(optim::delay_matched<optim::adam>{.base = {.beta2 = 0.99}, .least = 5, .per_delay = 2},
                     [&](double& w, double g, double lr, int t) {
                       m = 0.95 * m + 0.05 * g;
                       s = 0.99 * s + 0.01 * g * g;
                       w -= lr * m / (1 - std::pow(0.95, t)) / (std::sqrt(s / (1 - std::pow(0.99, t))) + 1e-8);
                     },
                     {.tau_fwd = 10});
  CHECK_THROWS_AS((optim::delay_matched<optim::adam>{.least = 0.5}.check()), foal::error);
  CHECK_THROWS_AS((optim::delay_matched<optim::adam>{.most = 1}.check()), foal::error);
}

TEST_CASE("In a run each stage has the momentum of its delay, under an average and in groups too", "[delay_matched]") {
  using matched = optim::delay_matched<optim::momentum>;
  using run = trainer<test::mlp<3>, loss::cross_entropy, schedule::pipemare, optim::averaged<optim::grouped<matched>>,
                      test::watcher<double>, scalar<double>>;
  std::vector<std::vector<test::seen_update<double>>> seen(3);
  run t({.microbatch_size = 2,
         .microbatches = 1,
         .optim = {.base = {.base = {.base = {.weight_decay = 0.1}, .least = 2, .per_delay = 1}}},
         .lr = {.rate = 0.05},
         .hook = {&seen}});
  std::vector<std::vector<double>> w, v;
  for (int s = 0; s < 3; ++s) {
    w.push_back(t.weights(s, 0));
    v.emplace_back(w.back().size());
  }
  t.run(test::stream{.samples = 2}, {.minibatches = 20});
  double const tau[] = {5, 3, 1};
  for (std::size_t s = 0; s < 3; ++s) {
    double const mu = 1 - 1 / std::max(2.0, tau[s]);
    for (auto const& u : seen[s])
      for (std::size_t i = 0; i < w[s].size(); ++i) {
        v[s][i] = mu * v[s][i] + u.gradient[i] + 0.1 * w[s][i];
        w[s][i] -= 0.05 * (1 - mu) / 0.5 * v[s][i];
        REQUIRE(w[s][i] == Approx(u.weights[i]).epsilon(1e-11).margin(1e-12));
      }
  }
}

TEST_CASE("A matched optimizer keeps its rules", "[delay_matched]") {
  trainer<test::mlp<3>, loss::cross_entropy, schedule::pipemare, optim::delay_matched<momentum_of_vectors>> t(
      {.microbatch_size = 2, .microbatches = 1, .lr = {.rate = 0.02}});
  auto const weight = t.weights(0, 0), bias = t.weights(0, 1);
  t.run(test::stream{.samples = 2}, {.minibatches = 12});
  CHECK(t.weights(0, 0) == weight);
  CHECK(t.weights(0, 1) != bias);
}

TEST_CASE("Muon of matched momentum is muon of that momentum", "[delay_matched]") {
  using matched =
      optim::matrices_apart<optim::delay_matched<optim::orthogonal_momentum>, optim::delay_matched<optim::adamw>>;
  auto const weights = []<class O>(O const& o) {
    trainer<test::mlp<3>, loss::cross_entropy, schedule::pipemare, O> t(
        {.microbatch_size = 2, .microbatches = 1, .optim = o, .lr = {.rate = 0.02}});
    t.run(test::stream{.samples = 2}, {.minibatches = 12});
    return t.all_weights();
  };
  optim::muon plain;
  plain.matrices.momentum = plain.rest.beta1 = 1 - 1.0 / 4;
  matched const same{.matrices = {.base = plain.matrices, .least = 4, .per_delay = 0},
                     .rest = {.base = plain.rest, .least = 4, .per_delay = 0}};
  CHECK(weights(same) == weights(plain));
  matched other = same;
  other.matrices.per_delay = 4;
  CHECK(weights(other) != weights(plain));
}
