// Evaluations: the same result however they are cut, room for one stage at a time.
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/observe/evaluation.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>

#include <catch2/catch.hpp>
#include <thread>

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
  test::score const wanted = test::score_of(p, data, 4);
  for (int samples : {1, 5, 24, 100}) {
    INFO(samples << " at once");
    auto const r = trained(samples).evaluate(data);
    CHECK(r.samples == 24);
    CHECK(r.loss == Approx(wanted.loss).epsilon(1e-12));
    CHECK(r.accuracy == Approx(wanted.right / 24.0).epsilon(1e-12));
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

TEST_CASE("The last evaluation of a fit is one after it, statistics of frozen layers included", "[evaluation]") {
  struct at_the_bottom : stages<input<5>, frozen<linear<6>, batch_norm, foal::tanh>, linear<4>, foal::tanh, linear<3>> {};
  struct in_the_middle : stages<input<5>, linear<6>, frozen<batch_norm>, foal::tanh, linear<4>, foal::tanh, linear<3>> {};
  auto const check = []<class Trainer>(Trainer&& t) {
    test::first_samples const data{40};
    fit_report const r = t.fit(data, {.epochs = 3, .evaluate = data, .quiet = true});
    auto const after = t.evaluate(data);
    REQUIRE(r.evaluations.size() == 3);
    CHECK(r.evaluations.back().loss == after.loss);
    CHECK(r.evaluations.back().accuracy == after.accuracy);
    CHECK(r.evaluations[0].loss != r.evaluations[1].loss);
    return std::vector{r.evaluations[0].loss, r.evaluations[1].loss, after.loss};
  };
  auto const on_workers = [&]<class Net, class Schedule>(Net, Schedule) {
    using run = trainer<Net, loss::cross_entropy, Schedule, optim::momentum, scalar<double>>;
    std::vector<double> reference;
    for (int workers : {1, 2, 3}) {
      auto const losses = check(run({.microbatch_size = 4, .microbatches = 2, .workers = workers, .lr = {.rate = 0.05}}));
      if (reference.empty()) reference = losses;
      CHECK(losses == reference);
    }
  };
  on_workers(at_the_bottom{}, schedule::gpipe{});
  on_workers(at_the_bottom{}, schedule::pipemare{});
  on_workers(in_the_middle{}, schedule::gpipe{});
  on_workers(in_the_middle{}, schedule::pipemare{});
}

TEST_CASE("A callback of a run cannot call back into the trainer", "[evaluation]") {
  test::first_samples const data;
  run_type t({.microbatch_size = 4, .microbatches = 2, .workers = 2, .lr = {.rate = 0.05}});
  run_type::fit_options options{.evaluate = data, .quiet = true};
  int asked = 0;
  options.hooks.evaluated = [&](executor::evaluation_result const&) {
    ++asked;
    CHECK_THROWS_WITH(t.evaluate(data), Catch::Contains("cannot evaluate now") && Catch::Contains("at work"));
    CHECK_THROWS_WITH(t.set_weights(0, 0, t.weights(0, 0)), Catch::Contains("at work"));
    CHECK_THROWS_WITH(t.run(test::stream{.samples = 4}, {.minibatches = 1}), Catch::Contains("at work"));
  };
  t.fit(data, options);
  CHECK(asked == 1);
  CHECK_NOTHROW(t.evaluate(data));
}

TEST_CASE("A callback of an evaluation reads what was evaluated, and nobody else reads during a run", "[evaluation]") {
  struct shared_layer;
  struct tied_net
      : stages<input<5>, linear<4>, foal::tanh, tied<shared_layer, linear<4>>, foal::tanh, frozen<linear<4>, batch_norm>,
               foal::tanh, linear<4>, tied<shared_layer, linear<4>>, foal::tanh, linear<3>> {};
  using run = trainer<tied_net, loss::cross_entropy, schedule::pipemare, optim::averaged<optim::momentum>, scalar<double>>;
  test::first_samples const data{40};
  for (int workers : {1, 3}) {
    run t({.microbatch_size = 4, .microbatches = 2, .workers = workers, .lr = {.rate = 0.05}});
    predictor<tied_net, scalar<double>> p({.microbatch_size = 4});
    run::fit_options options{.epochs = 3, .evaluate = data, .quiet = true};
    std::vector<double> before;
    options.hooks.evaluated = [&](executor::evaluation_result const& r) {
      std::string elsewhere;
      std::thread([&] {
        try {
          static_cast<void>(t.weights(0, 0));
        } catch (error const& e) {
          elsewhere = e.what();
        }
      }).join();
      CHECK_THAT(elsewhere, Catch::Contains("cannot read weights now") && Catch::Contains("at work"));
      CHECK_THROWS_WITH(t.average(0, 0), Catch::Contains("cannot read averaged weights now"));
      p.take(t);
      test::score const s = test::score_of(p, data, 4);
      CHECK(r.loss == Approx(s.loss).epsilon(1e-12));
      CHECK(t.updates() == r.update);
      CHECK(t.all_weights() != before);
      before = t.all_weights();
    };
    t.fit(data, options);
    CHECK(before == t.all_weights());
    CHECK_NOTHROW(t.average(0, 0));
  }
}

TEST_CASE("Evaluations during a run and after it treat denormals alike", "[evaluation]") {
  struct tiny : stages<input<5>, frozen<linear<4>>, linear<3>> {};  // an update would flush the weights
  using run = trainer<tiny, loss::cross_entropy, schedule::gpipe>;
  test::first_samples const data{8};
  run t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0}});
  // Products of the first layer are denormal, and the second makes them large again.
  t.set_weights(0, 0, std::vector<float>(t.weights(0, 0).size(), 1e-39F));
  t.set_weights(0, 1, std::vector<float>(t.weights(0, 1).size(), 0));
  std::vector<float> large(t.weights(1, 0).size());
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = i % 3 == 0 ? 3e38F : 0;
  t.set_weights(1, 0, large);
  fit_report const r = t.fit(data, {.evaluate = data, .quiet = true});
  CHECK(r.evaluations.back().loss == t.evaluate(data).loss);
}
