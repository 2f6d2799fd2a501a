// Recomputation: the same bits where the weights are equal, on any workers, with what the plan says it saves.
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct tag;
// Skips that cross groups, statistics, random numbers, outputs that are kept and inputs that are kept.
struct net
    : stages<input<5>, linear<6>, batch_norm, foal::tanh, dropout<1, 4>, residual<linear<6>, relu, linear<6>>, save<tag>,
             linear<6>, foal::tanh, linear<6>, relu, add<tag>, linear<6>, dropout<1, 4>, foal::tanh, linear<3>> {};
static_assert(stage_count<net> == 8);

template <class Schedule, class... More>
using run = trainer<net, loss::cross_entropy, Schedule, optim::momentum, More...>;

template <class Run>
std::vector<float> trained(typename Run::config values, int minibatches = 12) {
  Run t(std::move(values));
  test::stream const data{.samples = 3};
  t.run(data, {.minibatches = minibatches});
  auto all = t.all_weights();
  for (int i = 0; i < 2; ++i)
    for (float v : t.statistics(1, static_cast<std::size_t>(i))) all.push_back(v);
  return all;
}

template <class Schedule, class... More>
void check_equal_to_plain() {
  auto const plain = trained<run<Schedule, More...>>({.microbatch_size = 3, .microbatches = 4, .lr = {.rate = 0.05F}});
  for (int segment = 1; segment <= 8; ++segment)
    for (int workers : {1, Schedule::asynchronous ? 8 : 3}) {
      if (workers > run<Schedule, More...>::most_ranks) continue;
      INFO("segments of " << segment << " on " << workers << " workers");
      auto const again = trained<run<schedule::recomputed<Schedule>, More...>>({.microbatch_size = 3,
                                                                                .microbatches = 4,
                                                                                .workers = workers,
                                                                                .lr = {.rate = 0.05F},
                                                                                .schedule = {.segment = segment}});
      CHECK(again == plain);
    }
}

}  // namespace

TEST_CASE("Recomputation gives the same bits where R reads the weights that F has read", "[recompute]") {
  check_equal_to_plain<schedule::gpipe>();
  check_equal_to_plain<schedule::one_f_one_b>();
}

TEST_CASE("With old versions kept, R reads F's", "[recompute]") {
  check_equal_to_plain<schedule::pipemare, versions::stash>();
  check_equal_to_plain<schedule::async_1f1b, versions::stash>();
}

TEST_CASE("PipeMare with recomputation trains to the same bits on any number of workers", "[recompute]") {
  using again = run<schedule::recomputed<schedule::pipemare>, delay::discrepancy_correction, warmup::synchronous>;
  auto const values = [](int workers) {
    return again::config{
        .microbatch_size = 3, .microbatches = 2, .workers = workers, .lr = {.rate = 0.05F}, .warmup = {.minibatches = 3}};
  };
  auto const one = trained<again>(values(1));
  for (int workers = 2; workers <= 8; ++workers) CHECK(trained<again>(values(workers)) == one);
  // R reads newer weights than F: what it rebuilds differs, so T2 has something to correct.
  using plain = run<schedule::pipemare, delay::discrepancy_correction, warmup::synchronous>;
  CHECK(trained<plain>({.microbatch_size = 3, .microbatches = 2, .lr = {.rate = 0.05F}, .warmup = {.minibatches = 3}}) !=
        one);
}

TEST_CASE("The delta of a recomputed stage covers every parameter that R reads", "[recompute]") {
  run<schedule::recomputed<schedule::pipemare>, delay::discrepancy_correction> const t({.schedule = {.segment = 3}});
  auto const& facts = t.tables().phases.back().facts;
  for (executor::bound_stage const& b : t.engine().stages()) {
    bool const again = facts.stage[static_cast<std::size_t>(b.number)].head >= 0;
    CHECK(b.delay_packed == !again);
    for (auto const& p : b.table->parameters) CHECK(b.delay_acts_on(p) == (again || p.backward_offset >= 0));
  }
}

TEST_CASE("Less is saved, and the plan says how much", "[recompute]") {
  auto const saved = [](auto const& t) { return t.engine().memory().plan().bytes(category::saved); };
  run<schedule::pipemare> const plain({.microbatch_size = 4});
  run<schedule::recomputed<schedule::pipemare>> const again({.microbatch_size = 4});
  CHECK(saved(again) < saved(plain) * 8 / 10);
  run<schedule::gpipe> const all({.microbatch_size = 4, .microbatches = 16});
  run<schedule::recomputed<schedule::gpipe>> const few({.microbatch_size = 4, .microbatches = 16});
  CHECK(saved(few) < saved(all) / 2);
}

TEST_CASE("The facts say what is recomputed", "[recompute]") {
  run<schedule::recomputed<schedule::pipemare>> const again({.schedule = {.segment = 3}});
  std::string const text = again.facts().text();
  CHECK_THAT(text,
             Catch::Matchers::Contains("6 stages are recomputed before their backward, in segments that begin at 0, 3"));
}
