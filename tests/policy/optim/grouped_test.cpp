// Parameter groups: rates and weight decays of single parameters, against plain loops over PyTorch's formulas.
#include <foal/layer/layer_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/grouped.hpp>
#include <foal/policy/optim/matrices_apart.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/slowed_by_delay.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/nets.hpp"
#include "tests/support/watcher.hpp"

namespace {

using namespace foal;

struct net : stages<input<5>, linear<6>, layer_norm, foal::tanh, linear<3>> {};

/// Half the rate in the first stage, a third of it for layer_norm's shift; decay of matrices, twice in the last layer.
struct by_hand {
  optim::parameter_rule operator()(optim::parameter_view const& p) const {
    optim::parameter_rule r{p.stage == 0 ? 0.5 : 1.0, p.is_matrix() ? 1.0 : 0.0};
    if (p.layer == "layer_norm" && p.name == "beta") r.rate_factor = 1.0 / 3;
    if (p.stage + 1 == p.stages && p.is_matrix()) r.decay_factor = 2;
    return r;
  }
};
struct ones {
  optim::parameter_rule operator()(optim::parameter_view const&) const { return {}; }
};

template <class Optimizer>
using run = trainer<net, loss::cross_entropy, schedule::pipemare, Optimizer, delay::discrepancy_correction,
                    test::watcher<double>, scalar<double>>;

/// Follows every parameter of a run by step(w, g, m, v, rate, decay, t), with the rate and decay of its group; slowed: what
/// divides a stage's rate.
template <class Optimizer, class Step>
void follow(Optimizer const& optimizer, double decay, Step step, std::vector<double> const& slowed = {1, 1, 1}) {
  std::vector<std::vector<test::seen_update<double>>> seen(3);
  run<Optimizer> t({.microbatch_size = 2, .microbatches = 2, .optim = optimizer, .lr = {.rate = 0.05}, .hook = {&seen}});
  REQUIRE(run<Optimizer>::stages == 3);
  struct followed {
    std::vector<double> w, m, v;
    double rate, decay;
  };
  std::vector<std::vector<followed>> stage(3);
  for (int s = 0; s < 3; ++s) {
    auto const& rows = t.tables().stages[static_cast<std::size_t>(s)].parameters;
    for (std::size_t p = 0; p < rows.size(); ++p) {
      bool const matrix = rows[p].name.find("weight") != std::string::npos;
      double rate = s == 0 ? 0.5 : 1;
      if (rows[p].name.find("beta") != std::string::npos) rate = 1.0 / 3;
      rate /= slowed[static_cast<std::size_t>(s)];
      auto w = t.weights(s, p);
      stage[static_cast<std::size_t>(s)].push_back({w, std::vector<double>(w.size()), std::vector<double>(w.size()),
                                                    0.05 * rate, decay * (matrix ? s == 2 ? 2.0 : 1.0 : 0.0)});
    }
  }
  t.run(test::stream{.samples = 2}, {.minibatches = 20});
  for (std::size_t s = 0; s < 3; ++s) {
    REQUIRE(seen[s].size() == 20);
    for (std::size_t k = 0; k < 20; ++k) {
      std::size_t at = 0;
      for (followed& p : stage[s])
        for (std::size_t i = 0; i < p.w.size(); ++i, ++at) {
          step(p.w[i], seen[s][k].gradient[at], p.m[i], p.v[i], p.rate, p.decay, static_cast<int>(k) + 1);
          REQUIRE(seen[s][k].weights[at] == Approx(p.w[i]).epsilon(1e-11).margin(1e-12));
        }
    }
  }
}

}  // namespace

static_assert(optim::optimizer<optim::grouped<optim::adamw>> && optim::has_rules<optim::grouped<optim::adamw>>);
static_assert(optim::has_rules<optim::averaged<optim::grouped<optim::momentum>>> && !optim::has_rules<optim::momentum>);
static_assert(optim::bounds_itself<optim::averaged<optim::grouped<optim::momentum>>, float>);

TEST_CASE("adamw in groups, inside of what slows it or chooses it too") {
  auto const adamw = [](double& w, double g, double& m, double& v, double rate, double decay, int t) {
    w = w - rate * decay * w;
    m = 0.9 * m + (1 - 0.9) * g;
    v = 0.999 * v + (1 - 0.999) * g * g;
    w = w - rate * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
  };
  using groups = optim::grouped<optim::adamw, by_hand>;
  groups const base{.base = {.weight_decay = 0.3}};
  follow(base, 0.3, adamw);
  // Delays of 5, 3 and 1 microbatches, two to an update.
  follow(optim::slowed_by_delay<groups>{.base = base}, 0.3, adamw, {std::sqrt(2.5), std::sqrt(1.5), 1});
  follow(optim::matrices_apart<groups, optim::slowed_by_delay<groups>>{.matrices = base, .rest = {base, 0}}, 0.3, adamw);
}

TEST_CASE("momentum in groups, with an average beside it") {
  follow(optim::averaged<optim::grouped<optim::momentum, by_hand>>{.base = {.base = {.momentum = 0.8, .weight_decay = 0.1}}},
         0.1, [](double& w, double g, double& m, double&, double rate, double decay, int) {
           m = 0.8 * m + (g + decay * w);
           w = w - rate * m;
         });
}

TEST_CASE("groups of ones change no bit") {
  using plain = trainer<net, loss::cross_entropy, schedule::pipemare, optim::adamw, delay::discrepancy_correction>;
  using one = trainer<net, loss::cross_entropy, schedule::pipemare, optim::grouped<optim::adamw, ones>,
                      delay::discrepancy_correction>;
  plain a({.microbatch_size = 2, .microbatches = 2, .workers = 1});
  one b({.microbatch_size = 2, .microbatches = 2, .workers = 3});
  a.run(test::stream{.samples = 2}, {.minibatches = 20});
  b.run(test::stream{.samples = 2}, {.minibatches = 20});
  CHECK(a.all_weights() == b.all_weights());
}

TEST_CASE("matrices are what decays by default, and factors that cannot work are refused") {
  optim::decay_matrices const rule;
  CHECK(rule({.extent = {2, {4, 3, 1, 1}}}).decay_factor == 1);
  CHECK(rule({.extent = features(4)}).decay_factor == 0);
  CHECK(rule({.extent = features(4)}).rate_factor == 1);
  struct backwards {
    double factor = -1;
    optim::parameter_rule operator()(optim::parameter_view const&) const { return {factor, 1}; }
  };
  using run = trainer<net, loss::cross_entropy, schedule::pipemare, optim::grouped<optim::adamw, backwards>>;
  CHECK_THROWS_WITH(run({}), Catch::Contains("cannot update 0.linear.weight") && Catch::Contains("-1 of the rate"));
  CHECK_THROWS_WITH(run({.optim = {.groups = {std::numeric_limits<double>::quiet_NaN()}}}),
                    Catch::Contains("cannot update"));
}
