// The hook after U: what it is shown, that it changes nothing, and that nothing is planned without one.
#include <cmath>
#include <stdexcept>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"
#include "tests/support/watcher.hpp"

namespace {

using namespace foal;
using test::mlp;
using watcher = test::watcher<double>;

constexpr int count = 3, samples = 2;
constexpr long long updates = 20;
constexpr double rate = 0.4;

template <class... Policies>
using run = trainer<mlp<count>, loss::cross_entropy, schedule::pipemare, scalar<double>, Policies...>;

template <class Trainer>
executor::run_result train(Trainer& t, test::recorder& seen) {
  executor::run_request request;
  request.minibatches = updates;
  request.watch = seen.observer();
  return t.run(test::stream{.samples = samples}, request);
}

double norm(std::vector<double> const& v) {
  double sum = 0;
  for (double x : v) sum += x * x;
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("a hook sees weights, gradient and delta of every update, and changes no bit") {
  int const workers = GENERATE(1, 2, 3);
  std::vector<std::vector<test::seen_update<double>>> all(count);
  run<delay::discrepancy_correction, watcher> with({.microbatch_size = samples,
                                                    .microbatches = 2,
                                                    .workers = workers,
                                                    .lr = {.rate = rate},
                                                    .hook = {&all},
                                                    .evaluation = false});
  run<delay::discrepancy_correction> without(
      {.microbatch_size = samples, .microbatches = 2, .workers = workers, .lr = {.rate = rate}, .evaluation = false});
  std::vector<std::vector<double>> start;
  for (int s = 0; s < count; ++s) {
    start.push_back(with.weights(s, 0));
    auto const bias = with.weights(s, 1);
    start.back().insert(start.back().end(), bias.begin(), bias.end());
  }
  test::recorder a(count), b(count);
  train(with, a);
  train(without, b);
  CHECK(a.bytes() == b.bytes());

  // The bytes of the copy: on each worker the largest of its count, every array at 64 bytes.
  CHECK(without.facts().bytes[category::diagnostics] == 0);
  CHECK(with.facts().bytes[category::diagnostics] >= (5 * 4 + 4) * 8);
  CHECK(with.facts().bytes[category::diagnostics] <= workers * (32 + 16) * 8);

  double moved = 0;
  for (int s = 0; s < count; ++s) {
    auto const& list = all[static_cast<std::size_t>(s)];
    REQUIRE(list.size() == static_cast<std::size_t>(updates));
    std::vector<double> before = start[static_cast<std::size_t>(s)], delta(before.size(), 0.0);
    double const lag = (2.0 * (count - s) - 1) / 2;
    double const gamma = std::pow(delay::discrepancy_correction{}.decay, 1 / lag);
    for (std::size_t k = 0; k < list.size(); ++k) {
      auto const& now = list[k];
      REQUIRE(now.update == static_cast<long long>(k) + 1);
      CHECK(now.rate == rate);
      CHECK(now.lag == lag);
      CHECK(now.weights == a.after<double>(s, k, before.size()));
      // A layer at the bottom has no input gradient, so nothing of it is read by B; of the others the bias is not.
      CHECK(now.with_delta == (s == 0 ? std::vector<std::size_t>{} : std::vector<std::size_t>{0}));
      std::size_t const read = s == 0 ? 0 : before.size() - (s + 1 == count ? 3 : 4);
      double worst = 0;
      for (std::size_t e = 0; e < before.size(); ++e) {
        worst = std::max(worst, std::abs(before[e] - rate * now.gradient[e] - now.weights[e]));
        delta[e] = e < read ? gamma * delta[e] + (1 - gamma) * (now.weights[e] - before[e]) : 0;
        worst = std::max(worst, std::abs(delta[e] - now.delta[e]));
        moved = std::max(moved, std::abs(now.delta[e]));
      }
      CHECK(worst < 1e-14);
      before = now.weights;
    }
  }
  CHECK(moved > 1e-3);
}

TEST_CASE("the gradient of a hook is that before clipping") {
  std::vector<std::vector<test::seen_update<double>>> all(count);
  run<clip::per_stage, watcher> t({.microbatch_size = samples,
                                   .microbatches = 2,
                                   .lr = {.rate = rate},
                                   .clip = {.norm = 0.01},
                                   .hook = {&all},
                                   .evaluation = false});
  test::recorder seen(count);
  train(t, seen);
  for (auto const& list : all)
    for (std::size_t k = 1; k < list.size(); ++k) {
      REQUIRE(norm(list[k].gradient) > 0.011);
      std::vector<double> step(list[k].weights.size());
      for (std::size_t e = 0; e < step.size(); ++e) step[e] = list[k].weights[e] - list[k - 1].weights[e];
      double const expected = norm(list[k].gradient) / (norm(list[k].gradient) + 1e-6) * 0.01 * rate;
      CHECK(norm(step) == Approx(expected).epsilon(1e-9));
    }
}

namespace {

struct counting {
  using role = foal::role::hook;
  long long calls = 0;
  template <class S>
  void after_update(update_view<S> const& v) {
    ++calls;
    if (v.stage() == 1 && v.update() == 4) throw std::runtime_error("enough of " + v.layers() + ": " + v.parameter(0).name);
  }
};

}  // namespace

TEST_CASE("a hook may change itself, and what it throws comes out when all stages have had the same updates") {
  run<counting> t({.microbatch_size = samples, .microbatches = 2, .evaluation = false});
  run<> reference({.microbatch_size = samples, .microbatches = 2, .evaluation = false});
  test::recorder seen(count);
  CHECK_THROWS_WITH(train(t, seen), "enough of linear tanh: 2.linear.weight");
  CHECK(t.hook().calls == count * t.updates());
  CHECK((t.updates() > 4 && t.updates() < updates));
  reference.run(test::stream{.samples = samples}, {.minibatches = t.updates()});
  CHECK(t.all_weights() == reference.all_weights());
  CHECK_NOTHROW(train(t, seen));
}

TEST_CASE("a hook sees no gradient of what is frozen") {
  struct net : stages<input<test::mlp_inputs>, stage<linear<4>, foal::tanh, frozen<linear<64>>>, linear<3>> {};
  struct sizes {
    using role = foal::role::hook;
    std::vector<std::size_t> gradients, weights;
    void after_update(update_view<double> const& v) {
      if (v.stage() != 0) return;
      for (std::size_t i = 0; i < v.parameters(); ++i) {
        gradients.push_back(v.gradient(i).size());
        weights.push_back(v.weights(i).size());
      }
    }
  };
  trainer<net, loss::cross_entropy, schedule::pipemare, scalar<double>, sizes> t({.microbatch_size = samples});
  t.run(test::stream{.samples = samples}, {.minibatches = 1});
  CHECK(t.hook().gradients == std::vector<std::size_t>{20, 4, 0, 0});
  CHECK(t.hook().weights == std::vector<std::size_t>{20, 4, 256, 64});
}
