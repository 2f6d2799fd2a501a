// Ignored targets take nothing away from the step: the mean over the targets that count, whatever the source.
#include <foal/data/memory.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cmath>

namespace {

using namespace foal;

struct net : stages<input<1, 1, 2>, flatten, linear<2, bias::none>> {};
using run = trainer<net, loss::cross_entropy, schedule::sequential, optim::sgd, scalar<double>>;
using samples = data::memory<float, std::int32_t>;

constexpr std::int32_t none = loss::cross_entropy::ignored;

struct outcome {
  fit_report report;
  std::vector<double> weights;
};
outcome trained(std::vector<float> x, std::vector<std::int32_t> y, int microbatches = 1, int epochs = 1) {
  run t({.microbatch_size = static_cast<int>(y.size()) / microbatches, .microbatches = microbatches, .lr = {.rate = 1}});
  t.set_weights(0, 0, {0, 0, 0, 0});
  samples const data(image(1, 1, 2), std::move(x), std::move(y));
  fit_report report = t.fit(data, {.epochs = epochs, .evaluate = data, .shuffle = false, .quiet = true});
  return {std::move(report), t.weights(0, 0)};
}

/// A user's batches, without a weight.
struct own_batches {
  static constexpr std::int32_t label[6] = {0, none, none, 1, 1, 0};
  void inputs(long long m, double* x, double*) const {
    for (int i = 0; i < 3; ++i) {
      double const at = static_cast<double>(m % 2 * 3 + i);
      x[2 * i] = 1 + at;
      x[2 * i + 1] = 2 - at;
    }
  }
  void targets(long long m, std::int32_t* t) const { std::copy_n(label + m % 2 * 3, 3, t); }
};

}  // namespace

TEST_CASE("Samples that are ignored leave loss and step as they are", "[cases]") {
  outcome const two = trained({1, 0, 0, 1}, {0, 1});
  CHECK(two.report.epoch_loss == std::vector{std::log(2.0)});
  CHECK(two.weights[0] == 0.25);
  outcome const four = trained({1, 0, 0, 1, 5, 5, 7, 7}, {0, 1, none, none});
  CHECK(four.report.epoch_loss == two.report.epoch_loss);
  CHECK(four.weights == two.weights);
  CHECK(four.report.evaluations[0].loss == two.report.evaluations[0].loss);
  // Over two microbatches, one of them without a target that counts, and others between.
  CHECK(trained({1, 0, 0, 1, 5, 5, 7, 7}, {0, 1, none, none}, 2).weights == two.weights);
  CHECK(trained({5, 5, 1, 0, 0, 1, 7, 7}, {none, 0, 1, none}, 2).weights == two.weights);
}

TEST_CASE("The step is that of the mean over the counted targets of the minibatch, for batches of one's own", "[cases]") {
  run t({.microbatch_size = 3, .microbatches = 2, .lr = {.rate = 1}});
  t.set_weights(0, 0, {0, 0, 0, 0});
  own_batches const data;
  t.run(data, {.minibatches = 1});
  double wanted[4] = {};  // softmax of zeros is a half
  double x[12];
  data.inputs(0, x, nullptr);
  data.inputs(1, x + 6, nullptr);
  for (int i = 0; i < 6; ++i)
    for (int c = 0; c < 2 && own_batches::label[i] != none; ++c)
      for (int e = 0; e < 2; ++e) wanted[e * 2 + c] -= x[2 * i + e] * (0.5 - (own_batches::label[i] == c ? 1 : 0)) / 4;
  auto const w = t.weights(0, 0);
  for (std::size_t i = 0; i < 4; ++i) CHECK(w[i] == Approx(wanted[i]).epsilon(1e-14));
}

TEST_CASE("An asynchronous run weighs each minibatch alone, on any number of workers", "[cases]") {
  using deep = trainer<stages<input<1, 1, 2>, flatten, linear<3>, linear<2>>, loss::cross_entropy, schedule::pipemare>;
  std::vector<float> x(80);
  std::vector<std::int32_t> y(40);
  for (std::size_t i = 0; i < 80; ++i) x[i] = static_cast<float>(i % 7) - 3;
  for (std::size_t i = 0; i < 40; ++i) y[i] = i % 3 == 0 || (i >= 16 && i < 24) ? none : static_cast<std::int32_t>(i % 2);
  samples const data(image(1, 1, 2), x, y);
  std::vector<float> reference;
  for (int workers : {1, 2}) {
    deep t({.microbatch_size = 4, .microbatches = 2, .workers = workers, .lr = {.rate = 0.1}});
    fit_report const r = t.fit(data, {.epochs = 3, .shuffle = false, .quiet = true});
    CHECK_FALSE(r.diverged);
    if (reference.empty()) reference = t.all_weights();
    CHECK(t.all_weights() == reference);
  }
}

TEST_CASE("Without any target that counts there is no loss, a sentence, and a step of zero", "[cases]") {
  outcome const o = trained({1, 0, 0, 1}, {none, none}, 1, 2);
  CHECK_FALSE(o.report.diverged);
  CHECK(o.weights == std::vector<double>{0, 0, 0, 0});
  REQUIRE(o.report.epoch_loss.size() == 2);
  CHECK(std::isnan(o.report.epoch_loss[0]));
  REQUIRE(o.report.notes.size() == 2);
  CHECK(o.report.notes[1] ==
        "cannot give a training loss of epoch 2, because none of its targets counts; give some that the loss does not "
        "ignore");
  REQUIRE(o.report.evaluations.size() == 2);
  CHECK(std::isnan(o.report.evaluations[0].loss));
  CHECK(std::isnan(o.report.accuracy()));
  CHECK(o.report.evaluations[1].fault ==
        "cannot give a loss of the weights after update 2, because of the targets of 2 samples none counts; give some that "
        "the loss does not ignore");
}
