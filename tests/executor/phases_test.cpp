// The synchronous warm-up and the schedule after it: one placement, the same frozen and recomputed stages; forwards and
// backwards in other orders than the built-in schedules'.
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using schedule::op;
using schedule::op_kind;

struct shared;
struct net : stages<input<5>, linear<4>, foal::tanh, tied<shared, linear<4>>, foal::tanh, linear<4>, foal::tanh,
                    tied<shared, linear<4>>, foal::tanh, linear<3>> {};
struct plain : stages<input<5>, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<3>> {};
struct half_frozen
    : stages<input<5>, frozen<linear<4>, foal::tanh>, linear<4>, foal::tanh, frozen<linear<4>, foal::tanh>, linear<3>> {};
struct normed : stages<input<5>, frozen<linear<4>, batch_norm>, linear<3>> {};

template <class Net, class Schedule, class... More>
using run = trainer<Net, loss::cross_entropy, Schedule, optim::momentum, More...>;

/// async_1f1b whose ranks 1 and 2 have changed places.
struct swapped {
  static constexpr char const* name = "swapped";
  static constexpr bool asynchronous = true;
  static constexpr int period(schedule::extent e) { return schedule::async_1f1b::period(e); }

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    auto const renamed = [&sink](int rank, op const& o) { sink(rank == 1 || rank == 2 ? 3 - rank : rank, o); };
    schedule::async_1f1b{}.emit(e, renamed);
  }
};

/// F of the last microbatch first; one rank.
struct last_first {
  static constexpr char const* name = "last_first";
  static constexpr bool asynchronous = false;
  static constexpr bool one_rank = true;

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    for (int m = e.microbatches - 1; m >= 0; --m) schedule::emit_forward(e, 0, m, sink);
    for (int m = e.microbatches - 1; m >= 0; --m)
      for (int s = e.stages - 1; s >= 0; --s) sink(0, op{.kind = op_kind::BW, .stage = s, .microbatch = m});
    for (int s = e.stages - 1; s >= 0; --s) sink(0, op{.kind = op_kind::U, .stage = s, .microbatch = e.microbatches - 1});
  }
};

/// W and U of a minibatch after B of the next one; one rank.
struct late_update {
  static constexpr char const* name = "late_update";
  static constexpr bool asynchronous = true;
  static constexpr bool one_rank = true;
  static constexpr int period(schedule::extent e) { return e.stages * (3 * e.microbatches + 1); }

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    int slot = 0;
    auto const add = [&](op_kind kind, int s, int m) {
      sink(0, op{.kind = kind, .stage = s, .microbatch = m, .slot = slot++});
    };
    for (int m = 0; m < e.microbatches; ++m) {
      for (int s = 0; s < e.stages; ++s) add(op_kind::F, s, m);
      for (int s = e.stages - 1; s >= 0; --s) add(op_kind::B, s, m);
    }
    for (int s = 0; s < e.stages; ++s) {
      for (int m = 0; m < e.microbatches; ++m) add(op_kind::W, s, m - e.microbatches);
      add(op_kind::U, s, -1);
    }
  }
};

}  // namespace

TEST_CASE("A warm-up keeps stages on the ranks of the schedule after it", "[executor]") {
  using moved = run<plain, swapped, warmup::synchronous>;
  using straight = run<plain, schedule::async_1f1b, warmup::synchronous>;
  auto const train = []<class Run>(Run*, int workers) {
    Run t({.microbatch_size = 2, .microbatches = 2, .workers = workers, .lr = {.rate = 0.1F}, .warmup = {.minibatches = 6}});
    for (table::phase_table const& phase : t.tables().phases) {
      schedule::program p = phase.program;
      for (int r = 0; r < p.view().size.ranks; ++r)
        for (op const& o : p.view().rank(r)) CHECK(t.tables().rank_of[static_cast<std::size_t>(o.stage)] == r);
    }
    t.run(test::stream{.samples = 2}, {.minibatches = 14});
    return t.all_weights();
  };
  auto const reference = train(static_cast<straight*>(nullptr), 1);
  for (int workers : {1, 2, 3, 4}) CHECK(train(static_cast<moved*>(nullptr), workers) == reference);
}

TEST_CASE("What a schedule freezes is frozen in its warm-up too, as if its layers were", "[executor]") {
  using by_schedule = run<plain, schedule::frozen<schedule::pipemare>, warmup::synchronous>;
  using by_layers = run<half_frozen, schedule::pipemare, warmup::synchronous>;
  for (long long const warmup : {0, 3}) {
    by_schedule t({.microbatch_size = 2,
                   .microbatches = 2,
                   .lr = {.rate = 0.1F},
                   .warmup = {.minibatches = warmup},
                   .schedule = {.trainable_from = 1, .stages = {2}}});
    by_layers reference({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.1F}, .warmup = {.minibatches = warmup}});
    std::vector<std::vector<float>> before;
    for (int s = 0; s < 4; ++s) before.push_back(t.weights(s, 0));
    t.run(test::stream{.samples = 2}, {.minibatches = 9});
    reference.run(test::stream{.samples = 2}, {.minibatches = 9});
    for (int s = 0; s < 4; ++s) CHECK((before[static_cast<std::size_t>(s)] == t.weights(s, 0)) == (s == 0 || s == 2));
    CHECK(t.all_weights() == reference.all_weights());
  }
}

TEST_CASE("What a frozen schedule recomputes is recomputed in its warm-up too", "[executor]") {
  using again = run<plain, schedule::frozen<schedule::recomputed<schedule::pipemare>>, warmup::synchronous>;
  again const t({.warmup = {.minibatches = 3}, .schedule = {.base = {.segment = 2}, .trainable_from = 0, .stages = {1}}});
  REQUIRE(t.tables().phases.size() == 2);
  for (std::size_t s = 0; s < 4; ++s)
    CHECK(t.tables().phases[0].facts.stage[s].head == t.tables().phases[1].facts.stage[s].head);
  CHECK(t.tables().phases[0].facts.stage[0].head == 0);
}

TEST_CASE("Statistics of a stage without updates are evaluated after all forwards of a minibatch", "[executor]") {
  test::first_samples const data;
  run<normed, last_first> t({.microbatch_size = 4, .microbatches = 3, .lr = {.rate = 0.05F}});
  auto const report = t.fit(data, {.epochs = 2, .evaluate = data, .quiet = true});
  REQUIRE(report.evaluations.size() == 2);
  CHECK(report.evaluations.back().loss == t.evaluate(data).loss);
}

TEST_CASE("Tied weights refuse a schedule whose backwards mix two minibatches", "[executor]") {
  using mixed = run<net, late_update>;
  CHECK_THROWS_WITH(mixed({.microbatch_size = 2, .microbatches = 1, .lr = {.rate = 0.1F}}),
                    Catch::Contains("cannot train tied weights of stage 2 with the schedule late_update"));
  using one_tied = run<net, schedule::frozen<schedule::pipemare>, warmup::synchronous>;
  CHECK_THROWS_WITH(one_tied({.schedule = {.trainable_from = 2}}),
                    Catch::Contains("cannot freeze stage 1 by the schedule, because it shares tied weights with stage 2"));
  using separate = run<plain, late_update>;
  CHECK_NOTHROW(separate({.microbatch_size = 2, .microbatches = 1, .lr = {.rate = 0.1F}}));
}

TEST_CASE("Programs that are proved and drawn but not run are refused with a sentence", "[executor]") {
  table::phase_table phase;
  phase.name = "many";
  phase.program = schedule::program({.stages = 2, .ranks = 2, .microbatches = 2, .replicas = 2}, 4, false);
  table::run_tables tables;
  tables.stages.resize(2);
  tables.phases.push_back(phase);
  CHECK_THROWS_WITH(executor::check_replicas(tables),
                    Catch::Contains("cannot run many with 2 replicas, because the run has 1"));
  phase.program = schedule::program({.stages = 2, .ranks = 2, .microbatches = 2, .segments = 3}, 4, false);
  CHECK_THROWS_WITH(executor::check_program(phase), Catch::Contains("microbatches in 3 segments"));
  phase.program = schedule::program({.stages = 2, .ranks = 1, .microbatches = 2}, 4, true);
  for (int m = 0; m < 2; ++m) phase.program(0, op{.kind = op_kind::U, .stage = 1, .microbatch = m});
  CHECK_THROWS_WITH(executor::check_program(phase), Catch::Contains("stage 1 has several updates in a period"));
  phase.program = schedule::program({.stages = 2, .ranks = 1, .microbatches = 2}, 4, true);
  phase.program(0, op{.kind = op_kind::G, .stage = 1});
  CHECK_THROWS_WITH(executor::check_program(phase), Catch::Contains("it has G of stage 1"));
}
