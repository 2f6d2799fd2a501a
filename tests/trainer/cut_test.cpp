// A trainer's run that is cut goes on in another trainer to the bits of the run that is not; a cut of a trainer with other
// numbers is refused, and nothing of it is taken.
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/plateau.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/cut.hpp>

#include <catch2/catch.hpp>

#include "tests/support/learned.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct net : stages<input<test::mlp_inputs>, linear<4>, batch_norm, dropout<20>, linear<4>, foal::tanh, linear<3>> {};

template <class... More>
using run = trainer<net, loss::cross_entropy, schedule::pipemare, optim::adam, delay::discrepancy_correction,
                    lr::reschedule<lr::plateau<>>, warmup::synchronous, scalar<double>, More...>;
using threaded = run<>;
using alone = run<executor::single_thread>;

constexpr int samples = 4, n = 2;
constexpr long long minibatches = 9;
test::stream const given{.samples = samples};

template <class Run>
typename Run::config values(int workers = 1) {
  return {.microbatch_size = samples,
          .microbatches = n,
          .workers = workers,
          .seed = 3,
          .lr = {.base = {.base = {.rate = 0.05}, .patience = 0}, .steps = 20},
          .warmup = {.minibatches = 5}};
}

/// A trainer whose plateau has lowered the rate after some updates.
template <class Run>
void begin(Run& t) {
  t.run(given, {.minibatches = 2});
  t.lr().base.observe(1);
  REQUIRE(t.lr().base.observe(1));
}

/// Cut at a place, it goes on elsewhere, trains once more, and is compared with what was never cut.
template <class From, class To>
void goes_on(executor::run_place place, int workers, std::vector<double> const& once, std::vector<double> const& more) {
  INFO("phase " << place.phase << ", key " << place.key << ", " << workers << " workers");
  From t(values<From>());
  begin(t);
  REQUIRE(t.run(given, {.minibatches = minibatches, .pause = place}).paused);
  trainer_cut const cut = t.cut();
  To other(values<To>(workers));
  other.restore(cut);
  CHECK(other.lr().base.scale == t.lr().base.scale);
  CHECK_FALSE(other.resume(given, {}).paused);
  CHECK(test::learned(other) == once);
  other.run(given, {.minibatches = 3});
  CHECK(test::learned(other) == more);
}

}  // namespace

TEST_CASE("a trainer's cut goes on in another trainer, with what its policies know", "[trainer]") {
  alone reference(values<alone>());
  begin(reference);
  reference.run(given, {.minibatches = minibatches});
  auto const once = test::learned(reference);
  reference.run(given, {.minibatches = 3});
  auto const more = test::learned(reference);
  for (long long const key : {1, 17}) goes_on<threaded, alone>({0, key}, 1, once, more);
  for (long long const key : {1, 20, 41}) {
    goes_on<alone, threaded>({1, key}, 3, once, more);
    goes_on<threaded, threaded>({1, key}, 2, once, more);
  }
}

TEST_CASE("a cut of a trainer with other numbers is refused and changes nothing", "[trainer]") {
  threaded t(values<threaded>());
  begin(t);
  REQUIRE(t.run(given, {.minibatches = minibatches, .pause = executor::run_place{1, 20}}).paused);
  trainer_cut const cut = t.cut();

  auto const refuses = [&](trainer_cut const& from, auto change, char const* why) {
    auto c = values<threaded>();
    change(c);
    threaded other(c);
    threaded untouched(c);
    CHECK_THROWS_WITH(other.restore(from), Catch::Contains(why));
    CHECK(other.lr().base.scale == 1);
    CHECK(other.updates() == 0);
    other.run(given, {.minibatches = 6});
    untouched.run(given, {.minibatches = 6});
    CHECK(test::learned(other) == test::learned(untouched));
  };
  refuses(
      cut, [](auto& c) { c.optim.beta2 = 0.9; }, "optimizer.beta2 is 0.9 here and 0.999 there");
  refuses(
      cut, [](auto& c) { c.lr.base.base.rate = 0.1; }, "learning rate.base.base.rate is 0.1 here and 0.05 there");
  refuses(
      cut, [](auto& c) { c.seed = 4; }, "seed is 4 here and 3 there");
  trainer_cut short_of = cut;
  short_of.policies.pop_back();
  refuses(
      short_of, [](auto&) {}, "'learning rate.base.cooling' of the policies is expected where it has no more");
  trainer_cut too_much = cut;
  too_much.policies.emplace_back("learning rate.base.worst", "1");
  refuses(
      too_much, [](auto&) {}, "it has 'learning rate.base.worst', which no policy knows");
  trainer_cut damaged = cut;
  damaged.run.arrays.pop_back();
  refuses(
      damaged, [](auto&) {}, "arrays, because this run has");
}
