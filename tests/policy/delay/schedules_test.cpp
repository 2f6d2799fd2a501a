// Delay policies in company: the same bits on any workers, with every schedule for which they are defined, and the bits that
// a run with injected delays predicts.
#include <foal/policy/delay/adaptive_braking.hpp>
#include <foal/policy/delay/averaged_correction.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/dc_asgd.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/delay/live_look_ahead.hpp>
#include <foal/policy/delay/pipe_optim.hpp>
#include <foal/policy/delay/spike_compensation.hpp>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/delay_matched.hpp>
#include <foal/policy/optim/matrices_apart.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/muon.hpp>
#include <foal/policy/versions.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

constexpr int stages_of_net = 3;
template <class Schedule, class... Policies>
using of = trainer<test::mlp<stages_of_net>, loss::cross_entropy, Schedule, optim::momentum, scalar<double>, Policies...>;

template <class Trainer>
std::vector<double> weights_after(typename Trainer::config values) {
  values.microbatch_size = 2;
  values.lr.rate = 0.05;
  Trainer t(values);
  REQUIRE_FALSE(t.run(test::stream{}, {.minibatches = 14}).diverged);
  return t.all_weights();
}

/// Runs on 1, 2 and R workers; gives the weights.
template <class Trainer>
std::vector<double> same_on_any_workers(typename Trainer::config values) {
  INFO("N " << values.microbatches);
  values.workers = 1;
  auto const alone = weights_after<Trainer>(values);
  for (int const workers : {2, stages_of_net}) {
    values.workers = workers;
    CHECK(weights_after<Trainer>(values) == alone);
  }
  return alone;
}

using predicted = delay::pipe_optim<delay::direction::of_momentum>;
using all_at_once = delay::chain<delay::chain<delay::adaptive_braking, delay::spike_compensation>,
                                 delay::chain<delay::averaged_correction, delay::adaptive_dc_asgd>>;

}  // namespace

TEST_CASE("policies that move, predict, correct and add up give the same bits on any workers", "[delay]") {
  for (int const n : {1, 2}) {
    auto const plain = weights_after<of<schedule::async_1f1b>>({.microbatches = n});
    CHECK(same_on_any_workers<of<schedule::async_1f1b, delay::live_look_ahead>>({.microbatches = n}) != plain);
    CHECK(same_on_any_workers<of<schedule::async_1f1b, predicted>>({.microbatches = n}) != plain);
    CHECK(same_on_any_workers<of<schedule::async_1f1b, all_at_once>>({.microbatches = n}) != plain);
  }
  for (int const n : {1, 2, 6}) {
    same_on_any_workers<of<schedule::pipemare, delay::live_look_ahead>>({.microbatches = n});
    same_on_any_workers<of<schedule::paci, predicted>>({.microbatches = n});
  }
  for (int const n : {2, 3})
    same_on_any_workers<of<schedule::async_1f1b, delay::live_look_ahead, versions::double_buffered>>({.microbatches = n});
}

TEST_CASE("injected delays predict the bits of the schedule that has them", "[delay]") {
  // F that reads an old version reads it as it has been predicted then, and not by the momentum of now.
  CHECK(weights_after<of<schedule::injected, predicted>>({.schedule = {{2, 1, 0}}}) ==
        weights_after<of<schedule::async_1f1b, predicted>>({}));
  CHECK(weights_after<of<schedule::injected, delay::live_look_ahead>>({.schedule = {{2, 1, 0}}}) ==
        weights_after<of<schedule::async_1f1b, delay::live_look_ahead>>({}));
}

TEST_CASE("Muon by delay, ahead and with T2, on 8 ranks: the bits that injected delays predict", "[delay]") {
  using both = delay::chain<delay::live_look_ahead, delay::discrepancy_correction>;
  using by_delay =
      optim::matrices_apart<optim::delay_matched<optim::orthogonal_momentum>, optim::delay_matched<optim::adamw>>;
  constexpr int stages = 16, ranks = 8;
  std::vector<int> delays;
  for (int s = 0; s < stages; ++s) delays.push_back(ranks - 1 - s * ranks / stages);
  auto const weights = [&]<class Schedule>(Schedule schedule, int of_ranks, int workers) {
    using run = trainer<test::mlp<stages>, loss::cross_entropy, Schedule, by_delay, scalar<double>, both>;
    typename run::config c;
    c.schedule = schedule;
    c.microbatches = 1;
    c.ranks = of_ranks;
    c.workers = workers;
    c.optim.matrices.least = 4;
    c.delay.first.gamma = 0.7;
    return weights_after<run>(c);
  };
  auto const predicted = weights(schedule::injected{delays}, 0, 1);
  CHECK(weights(schedule::async_1f1b{}, ranks, 1) == predicted);
  CHECK(weights(schedule::async_1f1b{}, ranks, 2) == predicted);
  CHECK(weights(schedule::injected{}, 0, 1) != predicted);
}
