// Stages on ranks in any order: loops and V's of two chunks, synchronous and not, with the synchronous warm-up before, with
// frozen and recomputed stages, to the same bits on any number of workers.
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/executor/support.hpp"
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

/// Four stages on a placement, with a synchronous and an asynchronous program.
struct on_placement {
  std::string text;
  int ranks = 4;
  schedule::program flushed, live;
};

template <class Base>
schedule::program on(schedule::placement placed, schedule::extent e) {
  e.placed = placed;
  return schedule::generate(schedule::folded<Base>{.placed = placed}, e);
}

constexpr int n_of_matrix = 4;

std::vector<on_placement> one_replica() {
  std::vector<on_placement> all;
  schedule::extent const four{4, 4, n_of_matrix}, two{4, 2, n_of_matrix};
  all.push_back({"contiguous", 4, test::program_of(2, four), test::program_of(3, four)});
  for (schedule::placement const placed : {schedule::contiguous, schedule::loop, schedule::vee})
    all.push_back({placed.name, 2, on<schedule::one_f_one_b>(placed, two), on<schedule::async_1f1b>(placed, two)});
  schedule::extent loop = two;
  loop.placed = schedule::loop;
  all[2].flushed = schedule::generate(test::interleaved{}, loop);
  return all;
}

std::vector<on_placement> two_replicas() {
  std::vector<on_placement> all;
  for (int ranks : {4, 3, 2, 1}) {
    schedule::extent const e = test::both_ways(4, ranks, n_of_matrix);
    all.push_back(
        {"bidirectional", ranks, schedule::generate(test::two_way{}, e), schedule::generate(test::two_way_live{}, e)});
  }
  return all;
}

/// Trains the program of every placement with a rule of versions, on every number of workers, and gives what all leave.
test::traces on_all(std::vector<on_placement> const& placements, test::choice c, bool asynchronous) {
  std::vector<test::traces> all;
  for (on_placement const& p : placements)
    for (int workers = 1; workers <= p.ranks; ++workers)
      for (bool threaded : {false, true}) {
        if (workers > 1 && !threaded) continue;  // single_thread is one worker
        c.ranks = p.ranks;
        all.push_back(test::train(c, workers, threaded, 5, {}, asynchronous ? p.live : p.flushed));
        INFO(p.text << " on " << p.ranks << " ranks, " << workers << " workers, threads " << threaded << "  " << c.text());
        CHECK(all.back() == all.front());
      }
  return all.front();
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

TEST_CASE("Placements, rules of versions, workers and executors: the same bits", "[executor]") {
  // of synchronous programs: live, flush, injected; of asynchronous ones: live with T2, stash, two versions, vertical sync
  test::choice const base{.optimizer = 3, .n = n_of_matrix}, t2{.delay = 1, .optimizer = 1, .n = n_of_matrix};
  test::choice flush = base, injected = base, stash = base, buffered = base, synchronised = base;
  buffered.rule = 1, synchronised.rule = 2, injected.rule = 3, flush.rule = 4;
  stash.stash = true;
  for (bool replicated : {false, true}) {
    auto const placements = replicated ? two_replicas() : one_replica();
    INFO("replicas " << 1 + replicated);
    auto const newest = on_all(placements, base, false), late = on_all(placements, injected, false);
    CHECK(on_all(placements, flush, false) == newest);
    CHECK_FALSE(late == newest);
    auto const kept = on_all(placements, stash, true), one_late = on_all(placements, buffered, true),
               entered = on_all(placements, synchronised, true);
    CHECK_FALSE(on_all(placements, t2, true) == kept);
    // Every F of two_way_live reads weights that are one update old, as two versions would have it; in one direction
    // stages have a delay each.
    CHECK((one_late == kept) == replicated);
    CHECK((entered == kept) == replicated);
  }
}

TEST_CASE("Recomputed stages of replicas leave the bits of those that are not, frozen ones those of one worker",
          "[executor]") {
  auto placements = two_replicas();
  test::choice const c{.optimizer = 3, .n = n_of_matrix};
  auto const kept = on_all(placements, c, false);
  for (on_placement& p : placements) {
    p.flushed = schedule::with_recomputation(std::move(p.flushed), {0, 0, 2, 2});
    auto const ops = p.flushed.view().ops;
    REQUIRE(std::any_of(ops.begin(), ops.end(), [](schedule::op const& o) { return o.kind == schedule::op_kind::R; }));
  }
  CHECK(on_all(placements, c, false) == kept);

  using changed = run<schedule::frozen<schedule::recomputed<test::two_way>>>;
  typename changed::config values;
  values.schedule = {.base = {.segment = 2}, .trainable_from = 0, .stages = {1}};
  on_any_workers<changed>(values, 4);
}
