// Inference: what a trained model gives, pipelined over workers, is what evaluation sees.
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/optim/momentum.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/gpipe.hpp>
#include <foal/schedule/pipemare.hpp>
#include <foal/zoo/gpt.hpp>

#include <catch2/catch.hpp>
#include <stdexcept>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct net : stages<input<5>, linear<6>, batch_norm, foal::tanh, dropout<1, 2>, residual<linear<6>, foal::tanh>, linear<3>> {
};

struct lower_frozen : stages<input<5>, frozen<linear<6>, batch_norm, foal::tanh>, linear<6>, foal::tanh, linear<3>> {};
struct all_frozen : stages<input<5>, frozen<linear<6>, foal::tanh, linear<3>>> {};
// As many stages and parameters, in another order.
struct other
    : stages<input<5>, linear<6>, foal::tanh, batch_norm, dropout<1, 2>, residual<linear<6>, foal::tanh>, linear<3>> {};

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
  trainer<other, loss::cross_entropy, schedule::gpipe> const t({.microbatch_size = 4});
  CHECK_THROWS_WITH(predictor<net>({}).take(t), Catch::Contains("cannot take these weights"));
  predictor<net> one({.microbatch_size = 1});  // its batch norm needs two to train, none to predict
  int seen = 0;
  one.predict(test::stream{.samples = 1}, 2, [&](long long, float const*, shape, int samples) { seen += samples; });
  CHECK(seen == 2);
}
