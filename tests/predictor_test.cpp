// Inference: what a trained model gives, pipelined over workers, is what evaluation sees.
#include <foal/data/memory.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>

#include "tests/support/files.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct net : stages<input<5>, linear<6>, batch_norm, foal::tanh, dropout<1, 2>, residual<linear<6>, foal::tanh>, linear<3>> {
};

struct lower_frozen : stages<input<5>, frozen<linear<6>, batch_norm, foal::tanh>, linear<6>, foal::tanh, linear<3>> {};
struct all_frozen : stages<input<5>, frozen<linear<6>, foal::tanh, linear<3>>> {};
struct thawed : stages<input<5>, linear<6>, batch_norm, foal::tanh, linear<6>, foal::tanh, linear<3>> {};
// The same layers, wider.
struct wider : stages<input<5>, linear<7>, batch_norm, foal::tanh, linear<6>, foal::tanh, linear<3>> {};

struct side;
struct two_inputs : stages<inputs<input<5>, named<side, input<4>>>, linear<4>, add<side>, foal::tanh, linear<3>> {};

/// Samples of two entries: those of first_samples, and four more numbers.
struct pairs {
  test::first_samples first{};
  long long size() const { return first.size(); }
  int entries() const { return 2; }
  shape entry(int e) const { return features(e == 0 ? 5 : 4); }
  int target_size() const { return 1; }
  template <class S>
  void write_entry(long long i, int e, S* x) const {
    if (e == 0) return first.write_sample(i, x);
    for (int k = 0; k < 4; ++k) x[k] = static_cast<S>(std::sin(static_cast<double>(5 * i + k)));
  }
  template <class T>
  void write_target(long long i, T* t) const {
    first.write_target(i, t);
  }
};
static_assert(data::entries_source<pairs> && !data::source<pairs>);

/// The same in microbatches of four, in order.
struct pairs_by_hand {
  pairs from{};
  long long minibatches_per_epoch() const { return from.size() / 8; }
  void inputs(long long m, int entry, float* x) const {
    for (int i = 0; i < 4; ++i) from.write_entry((4 * m + i) % from.size(), entry, x + i * from.entry(entry).size());
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < 4; ++i) from.write_target((4 * m + i) % from.size(), t + i);
  }
};

double cross_entropy_of(std::span<float const> y, int label) {
  double sum = 0;
  for (float const v : y) sum += std::exp(static_cast<double>(v));
  return std::log(sum) - static_cast<double>(y[static_cast<std::size_t>(label)]);
}

}  // namespace

TEST_CASE("Predictions are the same on any number of workers, and those that evaluation scores", "[predictor]") {
  trainer<net, loss::cross_entropy, schedule::pipemare, optim::momentum> t(
      {.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.05F}});
  test::first_samples const data;
  test::stream const batches{.samples = 4};
  t.run(batches, {.minibatches = 10});
  std::vector<float> reference;
  for (int workers = 1; workers <= 4; ++workers) {
    predictor<net> p({.microbatch_size = 4, .microbatches = 2, .workers = workers});
    p.take(t);
    for (int again = 0; again < 2; ++again) {  // the second call begins at microbatch 0 too
      std::vector<float> all;
      p.predict(batches, 6, [&](long long m, float const* y, shape of, int samples) {
        CHECK(m == static_cast<long long>(all.size()) / 12);
        CHECK(of == features(3));
        all.insert(all.end(), y, y + of.size() * samples);
      });
      if (reference.empty()) reference = all;
      CHECK(all == reference);
    }
  }
  REQUIRE(reference.size() == 24 * 3);
  predictor<net> p({.microbatch_size = 4});
  p.take(t);
  CHECK(test::score_of(p, data, 4).loss == Approx(t.evaluate(data).loss).epsilon(1e-5));
  CHECK_THROWS_WITH(predictor<net>({.microbatches = 2}).predict(batches, 3, [](long long, float const*, shape, int) {}),
                    Catch::Matchers::Contains("rounds of 2"));
}

TEST_CASE("Inference allocates no gradients, no optimizer and nothing that is saved", "[predictor]") {
  predictor<net> const p({.microbatch_size = 4});
  auto const& plan = p.run().engine().memory().plan();
  CHECK(plan.bytes(category::gradients) == 0);
  CHECK(plan.bytes(category::optimizer) == 0);
  CHECK(plan.bytes(category::saved) == 0);
}

TEST_CASE("A net with frozen layers predicts", "[predictor]") {
  trainer<lower_frozen, loss::cross_entropy, schedule::gpipe> t({.microbatch_size = 4, .lr = {.rate = 0.05F}});
  test::first_samples const data;
  t.run(test::stream{.samples = 4}, {.minibatches = 5});
  predictor<lower_frozen> p({.microbatch_size = 4});
  p.take(t);
  CHECK(test::score_of(p, data, 4).loss == Approx(t.evaluate(data).loss).epsilon(1e-5));
  CHECK_NOTHROW(predictor<all_frozen>({}));
}

TEST_CASE("A predictor goes on after what a callback threw", "[predictor]") {
  predictor<net> p({.microbatch_size = 4, .workers = 2});
  std::vector<float> first, again;
  auto const into = [](std::vector<float>& all) {
    return [&all](long long, float const* y, shape of, int samples) { all.insert(all.end(), y, y + of.size() * samples); };
  };
  p.predict(test::stream{.samples = 4}, 3, into(first));
  CHECK_THROWS_WITH(p.predict(test::stream{.samples = 4}, 3,
                              [](long long m, float const*, shape, int) {
                                if (m == 1) throw std::runtime_error("enough");
                              }),
                    "enough");
  p.predict(test::stream{.samples = 4}, 3, into(again));
  CHECK(first == again);
}

TEST_CASE("A predictor takes the weights of its own net alone, and single samples", "[predictor]") {
  trainer<wider, loss::cross_entropy, schedule::gpipe> const t({.microbatch_size = 4});
  CHECK_THROWS_WITH(predictor<thawed>({}).take(t),
                    Catch::Contains("cannot take these weights") && Catch::Contains("has another of that name"));
  predictor<net> one({.microbatch_size = 1});  // its batch norm needs two to train, none to predict
  int seen = 0;
  one.predict(test::stream{.samples = 1}, 2, [&](long long, float const*, shape, int samples) { seen += samples; });
  CHECK(seen == 2);
}

TEST_CASE("A source is predicted sample by sample, whatever the microbatches and rounds are", "[predictor]") {
  trainer<net, loss::cross_entropy, schedule::pipemare> t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.05}});
  t.run(test::stream{.samples = 4}, {.minibatches = 5});
  test::first_samples const data{.count = 22};  // the last microbatch is partial, and so is the last round
  std::vector<prediction<float>> one_by_one;
  for (int microbatch_size : {1, 4, 30}) {
    predictor<net> p({.microbatch_size = microbatch_size, .microbatches = 3, .workers = 2});
    p.take(t);
    auto const all = p.predict(data);
    REQUIRE(all.size() == 22);
    if (one_by_one.empty()) one_by_one = all;
    for (std::size_t i = 0; i < all.size(); ++i) {
      CHECK(all[i].of == features(3));
      for (std::size_t k = 0; k < 3; ++k) CHECK(all[i].values[k] == Approx(one_by_one[i].values[k]).epsilon(1e-5));
    }
    data::in_order const pass(data, microbatch_size);
    auto const passed = p.predict(pass);
    REQUIRE(passed.size() == 22);
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(passed[i].values == all[i].values);
    long long seen = 0;
    if (pass.microbatches() % 3 == 0)
      p.predict(pass, pass.microbatches(), [&](long long, auto*, shape, int n) { seen += n; });
    CHECK((seen == 0 || seen >= 22));
    CHECK_THROWS_WITH(p.predict(data::in_order(data, microbatch_size + 1)), Catch::Contains("make them with as many"));
  }
}

TEST_CASE("A metric of one's own is a mean over a source", "[predictor]") {
  trainer<net, loss::cross_entropy, schedule::gpipe> t({.microbatch_size = 4, .lr = {.rate = 0.05}});
  t.run(test::stream{.samples = 4}, {.minibatches = 3});
  test::first_samples const data{.count = 22};
  predictor<net> p({.microbatch_size = 4});
  p.take(t);
  auto const judged = t.evaluate(data);
  CHECK(p.evaluate(data, cross_entropy_of) == Approx(judged.loss).epsilon(1e-5));
  double const right = p.evaluate(data, [](std::span<float const> y, std::span<std::int32_t const> t) {
    return std::max_element(y.begin(), y.end()) - y.begin() == t[0] ? 1.0 : 0.0;
  });
  CHECK(right == judged.accuracy);
  double const sum = p.evaluate(data, [](auto y, std::span<float const> t) { return y[0] * 0 + t[0]; });
  std::int32_t labels = 0;
  for (long long i = 0; i < 22; ++i) {
    std::int32_t one = 0;
    data.write_target(i, &one);
    labels += one;
  }
  CHECK(sum == Approx(labels / 22.0));
}

TEST_CASE("Weights go between nets of the same layers, frozen or not, in any scalar type", "[predictor]") {
  trainer<thawed, loss::cross_entropy, schedule::gpipe, scalar<double>> from({.microbatch_size = 4, .lr = {.rate = 0.05}});
  from.run(test::stream{.samples = 4}, {.minibatches = 3});
  trainer<lower_frozen, loss::cross_entropy, schedule::gpipe> to({.microbatch_size = 4, .seed = 9, .lr = {.rate = 0.05}});
  to.take(from);
  test::first_samples const data;
  CHECK(to.evaluate(data).loss == Approx(from.evaluate(data).loss).epsilon(1e-5));
  to.run(test::stream{.samples = 4}, {.minibatches = 1});  // its lower part stays as it was taken
  CHECK(to.weights(0, 0)[0] == static_cast<float>(from.weights(0, 0)[0]));
  predictor<lower_frozen> first({.microbatch_size = 4}), second({.microbatch_size = 4});
  first.take(to);
  second.take(first);
  CHECK(first.weights(2, 0) == to.weights(2, 0));
  CHECK(second.weights(2, 0) == to.weights(2, 0));
  CHECK(second.statistics(1, 0) == to.statistics(1, 0));
}

TEST_CASE("A predictor takes the average that an optimizer keeps", "[predictor]") {
  trainer<thawed, loss::cross_entropy, schedule::gpipe, optim::averaged<optim::momentum>> t(
      {.microbatch_size = 4, .lr = {.rate = 0.05}});
  predictor<thawed> p({.microbatch_size = 4});
  CHECK_THROWS_WITH(p.take_average(t), Catch::Contains("train first"));
  t.run(test::stream{.samples = 4}, {.minibatches = 7});
  p.take_average(t);
  CHECK(p.weights(0, 0) == t.average(0, 0));
  CHECK(p.weights(0, 0) != t.weights(0, 0));
  test::first_samples const data;
  CHECK(p.evaluate(data, cross_entropy_of) == Approx(t.evaluate_average(data).loss).epsilon(1e-5));
}

TEST_CASE("Samples of several entries are trained on, evaluated and predicted", "[predictor]") {
  using run = trainer<two_inputs, loss::cross_entropy, schedule::gpipe>;
  run::config const values{.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.1}};
  run t(values), by_hand(values);
  pairs const data;
  CHECK(t.updates_per_epoch(data) == 3);
  auto const report = t.fit(data, {.epochs = 4, .evaluate = data, .shuffle = false, .quiet = true});
  by_hand.fit_batches(pairs_by_hand{}, {.epochs = 4, .evaluate = data, .quiet = true});
  CHECK(t.all_weights() == by_hand.all_weights());
  CHECK(report.evaluations.back().loss < report.evaluations.front().loss);
  predictor<two_inputs> p({.microbatch_size = 5});
  p.take(t);
  CHECK(p.predict(data).size() == 24);
  CHECK(p.evaluate(data, cross_entropy_of) == Approx(t.evaluate(data).loss).epsilon(1e-5));
  CHECK_THROWS_WITH(p.predict(test::first_samples{}), Catch::Contains("2 inputs"));
}

TEST_CASE("A regression reports no accuracy", "[predictor]") {
  trainer<thawed, loss::mean_squared_error, schedule::gpipe> t({.microbatch_size = 4, .lr = {.rate = 0.05}});
  data::memory<float, float> const data(features(5), std::vector<float>(16 * 5, 0.5F), std::vector<float>(16 * 3, 1.0F), 3);
  foal_test::temporary_directory const here;
  auto const report = t.fit(data, {.epochs = 1, .evaluate = data, .quiet = true, .metrics = here / "m.jsonl"});
  CHECK(std::isnan(report.accuracy()));
  CHECK(std::isnan(t.evaluate(data).accuracy));
  std::ifstream lines(here / "m.jsonl");
  std::string const text{std::istreambuf_iterator<char>(lines), {}};
  CHECK(text.find("test_loss") != std::string::npos);
  CHECK(text.find("accuracy") == std::string::npos);
}
