// Evaluations: the same result however they are cut, room for one stage at a time.
#include <foal/executor/evaluation.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/optim/momentum.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/gpipe.hpp>

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct outer;
struct inner;

constexpr int wide = 64;

/// Two skips pass a stage whose own tensors are smaller than either.
struct net : stages<input<5>, linear<wide>, foal::tanh, save<outer>, linear<32>, foal::tanh, save<inner>, linear<4>,
                    foal::tanh, linear<32>, add<inner>, linear<wide>, add<outer>, linear<3>> {};

using run_type = trainer<net, loss::cross_entropy, schedule::gpipe, optim::momentum, scalar<double>>;

struct trained : run_type {
  explicit trained(int samples)
      : run_type({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.05}, .evaluation_samples = samples}) {
    run(test::stream{.samples = 4}, {.minibatches = 10});
  }
};

}  // namespace

TEST_CASE("An evaluation is what the outputs say, however many samples it takes at once", "[evaluation]") {
  test::first_samples const data;
  trained const t(24);
  predictor<net, scalar<double>> p({.microbatch_size = 4, .microbatches = 2});
  p.take(t);
  double loss = 0;
  int right = 0;
  p.predict(test::stream{.samples = 4}, 6, [&](long long m, double const* y, shape, int samples) {
    for (int i = 0; i < samples; ++i, y += 3) {
      std::int32_t target = 0;
      data.write_target(m * samples + i, &target);
      loss += std::log(std::exp(y[0]) + std::exp(y[1]) + std::exp(y[2])) - y[target];
      right += std::max_element(y, y + 3) - y == target ? 1 : 0;
    }
  });
  for (int samples : {1, 5, 24, 100}) {
    INFO(samples << " at once");
    auto const r = trained(samples).evaluate(data);
    CHECK(r.samples == 24);
    CHECK(r.loss == Approx(loss / 24).epsilon(1e-12));
    CHECK(r.accuracy == Approx(right / 24.0).epsilon(1e-12));
  }
}

TEST_CASE("An evaluation has room for the largest stage and what reaches it, twice", "[evaluation]") {
  constexpr int samples = 128;
  trained const t(samples);
  std::vector<std::size_t> region;
  for (plan_entry const& e : t.engine().evaluation()->plan().entries())
    if (e.what == "activations of one stage") region.push_back(e.bytes);
  // The stage after the narrow one: its input and both skips. Its product goes straight to its successor.
  std::size_t const most = sizeof(double) * samples * (4 + 32 + wide);
  CHECK(region == std::vector{most, most});
}
