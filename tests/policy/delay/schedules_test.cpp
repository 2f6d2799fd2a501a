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
#include <foal/policy/optim/slowed_by_delay.hpp>
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
#include "tests/support/rooms.hpp"

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

namespace {

using by_delay = optim::matrices_apart<optim::delay_matched<optim::orthogonal_momentum>, optim::delay_matched<optim::adamw>>;
constexpr int ranks_of_deep = 8, stages_of_deep = 16;

struct ahead_of_a_mean_and_t2 {
  using optimizer = by_delay;
  using delay = foal::delay::chain<foal::delay::live_look_ahead, foal::delay::discrepancy_correction>;
  static void set(auto& c) { c.delay.first.gamma = 0.7; }
};
struct ahead_along_a_last_step_that_fades {
  using optimizer = by_delay;
  using delay = foal::delay::live_look_ahead;
  static void set(auto& c) { c.delay.fade = 0.9; }
};
/// The one of docs/methods.md that needs no more steps at 32 stages.
struct with_the_rest_slowed {
  using optimizer =
      optim::matrices_apart<optim::delay_matched<optim::orthogonal_momentum>, optim::slowed_by_delay<optim::adamw>>;
  using delay = foal::delay::live_look_ahead;
  static void set(auto& c) {
    c.delay = {.horizon = 0.5, .fade = 0.9};
    c.optim.matrices.per_delay = 2;
    c.optim.rest.base.beta1 = 0.5;
  }
};

/// On 16 stages.
template <class Method, class Schedule, class... More>
using deep_run = trainer<test::mlp<stages_of_deep>, loss::cross_entropy, Schedule, typename Method::optimizer,
                         scalar<double>, typename Method::delay, More...>;

template <class Method, class Run>
typename Run::config deep_values(int ranks, int workers) {
  typename Run::config c;
  c.microbatches = 1;
  c.ranks = ranks;
  c.workers = workers;
  c.optim.matrices.least = 4;
  Method::set(c);
  return c;
}

/// What a run with the delays of 8 ranks that are injected leaves; late: with them.
template <class Method>
std::vector<double> predicted_weights(bool late) {
  using run = deep_run<Method, schedule::injected>;
  auto c = deep_values<Method, run>(0, 1);
  for (int s = 0; late && s < stages_of_deep; ++s)
    c.schedule.delays.push_back(ranks_of_deep - 1 - s * ranks_of_deep / stages_of_deep);
  return weights_after<run>(c);
}

/// The same weights, each from the process that has them.
template <class Method>
std::vector<double> weights_of_processes(int processes) {
  using run = deep_run<Method, schedule::async_1f1b, executor::processes_over<test::rooms>>;
  std::vector<std::vector<double>> parts(static_cast<std::size_t>(processes));
  std::size_t const left = test::rooms::with_processes(processes, [&](int number) {
    auto c = deep_values<Method, run>(ranks_of_deep, 1);
    c.microbatch_size = 2;
    c.lr.rate = 0.05;
    run t(c);
    if (t.run(test::stream{}, {.minibatches = 14}).diverged) return;
    int const each = stages_of_deep / processes;
    for (int s = number * each; s < (number + 1) * each; ++s)
      for (std::size_t i = 0; i < 2; ++i) {
        auto const w = t.weights(s, i);
        auto& mine = parts[static_cast<std::size_t>(number)];
        mine.insert(mine.end(), w.begin(), w.end());
      }
  });
  CHECK(left == 0);
  std::vector<double> all;
  for (auto const& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

template <class Method>
void check_deep() {
  using run = deep_run<Method, schedule::async_1f1b>;
  auto const expected = predicted_weights<Method>(true);
  CHECK(predicted_weights<Method>(false) != expected);
  for (int const workers : {1, 2}) {
    INFO(workers << " workers");
    CHECK(weights_after<run>(deep_values<Method, run>(ranks_of_deep, workers)) == expected);
  }
  for (int const processes : {2, 4}) {
    INFO(processes << " processes");
    CHECK(weights_of_processes<Method>(processes) == expected);
  }
}

}  // namespace

TEST_CASE("Muon by delay on 8 ranks, workers or processes: the bits that injected delays predict", "[delay]") {
  SECTION("ahead of a mean, and T2") { check_deep<ahead_of_a_mean_and_t2>(); }
  SECTION("ahead along a last step that fades") { check_deep<ahead_along_a_last_step_that_fades>(); }
  SECTION("the same where the rest is slowed") { check_deep<with_the_rest_slowed>(); }
}
