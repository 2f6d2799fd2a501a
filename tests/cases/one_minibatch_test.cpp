// A net that is to learn one minibatch by heart: an epoch is one update, the stages are further apart.
#include <foal/data/memory.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

namespace {

using namespace foal;

struct net
    : stages<input<1, 1, 4>, flatten, linear<8>, foal::tanh, linear<8>, foal::tanh, linear<8>, foal::tanh, linear<3>> {};
using run = trainer<net, loss::cross_entropy, schedule::pipemare>;

}  // namespace

TEST_CASE("Where an epoch is shorter than the stages are apart, evaluations are fewer, and the fit says so", "[cases]") {
  data::memory<> const one(image(1, 1, 4), std::vector<float>(32, 0.5F), std::vector<std::int32_t>(8, 1));
  std::vector<double> losses;
  for (int const workers : {1, 3}) {
    run t({.microbatch_size = 4, .microbatches = 2, .workers = workers, .lr = {.rate = 0.1F}});
    long long called = 0;
    run::fit_options options{.epochs = 50, .evaluate = one, .quiet = true};
    options.hooks.evaluated = [&](evaluation_result const&) { ++called; };
    fit_report const r = t.fit(one, options);
    std::vector<long long> updates, expected;
    for (auto const& e : r.evaluations) updates.push_back(e.update);
    long long const distance = updates.at(0);
    CHECK(distance > 1);
    CHECK(distance <= run::stages);
    for (long long k = distance; k < 50; k += distance) expected.push_back(k);
    expected.push_back(50);
    CHECK(updates == expected);
    CHECK(called == static_cast<long long>(updates.size()));
    CHECK(r.evaluations.back().loss == t.evaluate(one).loss);
    CHECK(r.evaluations.back().loss < 0.5 * r.evaluations.front().loss);
    CHECK(r.epoch_loss.size() == 50);
    REQUIRE(r.notes.size() == 1);
    CHECK_THAT(r.notes[0], Catch::Contains(sentence("every ", distance, " epochs")) && Catch::Contains("1 updates"));
    if (losses.empty())
      for (auto const& e : r.evaluations) losses.push_back(e.loss);
    for (std::size_t i = 0; i < losses.size(); ++i) CHECK(r.evaluations[i].loss == losses[i]);
  }
}

TEST_CASE("A fit of fewer updates than the stages are apart is evaluated at its end", "[cases]") {
  data::memory<> const one(image(1, 1, 4), std::vector<float>(32, 0.5F), std::vector<std::int32_t>(8, 1));
  run t({.microbatch_size = 4, .microbatches = 2});
  fit_report const r = t.fit(one, {.epochs = 2, .evaluate = one, .quiet = true});
  REQUIRE(r.evaluations.size() == 1);
  CHECK(r.evaluations[0].update == 2);
}
