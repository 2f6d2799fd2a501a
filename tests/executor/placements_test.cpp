// Stages on ranks in any order: loops and V's of two chunks, synchronous and not, with the synchronous warm-up before, with
// frozen and recomputed stages, to the same bits on any number of workers.
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"
#include "tests/support/schedules.hpp"

namespace {

using namespace foal;

struct net : stages<input<5>, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<3>> {};

template <class Schedule, class... More>
using run = trainer<net, loss::cross_entropy, Schedule, optim::momentum, More...>;

template <class Trainer>
std::vector<float> trained(typename Trainer::config c, int ranks, int workers) {
  c.microbatch_size = 2;
  c.microbatches = 4;
  c.ranks = ranks;
  c.workers = workers;
  c.lr = {.rate = 0.1F};
  Trainer t(c);
  for (table::phase_table const& phase : t.tables().phases) {  // a stage is on one rank in all phases
    schedule::program p = phase.program;
    CHECK(schedule::ranks_of(p.view()) == t.tables().rank_of);
  }
  t.run(test::stream{.samples = 2}, {.minibatches = 12});
  return t.all_weights();
}

template <class Trainer>
std::vector<float> on_any_workers(typename Trainer::config const& c, int ranks) {
  std::vector<float> const one = trained<Trainer>(c, ranks, 1);
  for (int workers = 2; workers <= ranks; ++workers) {
    INFO(workers << " workers");
    CHECK(trained<Trainer>(c, ranks, workers) == one);
  }
  return one;
}

}  // namespace

TEST_CASE("Synchronous schedules train to the same bits on every placement", "[executor]") {
  auto const reference = trained<run<schedule::sequential>>({}, 1, 1);
  CHECK(on_any_workers<run<test::interleaved>>({}, 2) == reference);
  using folded = run<schedule::folded<schedule::one_f_one_b>>;
  for (schedule::placement const p : {schedule::contiguous, schedule::loop, schedule::vee})
    for (int ranks : {2, 3}) {
      INFO(p.name << " on " << ranks << " ranks");
      CHECK(on_any_workers<folded>({.schedule = {.placed = p}}, ranks) == reference);
    }
}

TEST_CASE("Delays are those of the schedule, not of the placement, and a warm-up stays where it is", "[executor]") {
  using plain = run<schedule::pipemare, delay::discrepancy_correction, warmup::synchronous>;
  using folded = run<schedule::folded<schedule::pipemare>, delay::discrepancy_correction, warmup::synchronous>;
  auto const reference = trained<plain>({.warmup = {.minibatches = 5}}, 4, 1);
  for (schedule::placement const p : {schedule::loop, schedule::vee})
    for (int ranks : {0, 1, 2}) {  // 0: one for every stage, the default
      INFO(p.name << " on " << ranks << " ranks");
      CHECK(on_any_workers<folded>({.warmup = {.minibatches = 5}, .schedule = {.placed = p}}, ranks) == reference);
    }
}

TEST_CASE("Frozen and recomputed stages on a V, after a warm-up", "[executor]") {
  using changed = run<schedule::frozen<schedule::recomputed<schedule::folded<schedule::pipemare>>>, warmup::synchronous>;
  typename changed::config c{.warmup = {.minibatches = 5}};
  c.schedule = {.base = {.base = {.placed = schedule::vee}, .segment = 2}, .trainable_from = 0, .stages = {1}};
  on_any_workers<changed>(c, 2);
}
