// The synchronous warm-up and the schedule after it: one placement, the same frozen and recomputed stages; forwards and
// backwards in other orders than the built-in schedules'.
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/optim/momentum.hpp>
#include <foal/schedule/async_1f1b.hpp>
#include <foal/schedule/frozen.hpp>
#include <foal/schedule/pipemare.hpp>
#include <foal/schedule/recompute.hpp>
#include <foal/trainer.hpp>
#include <foal/warmup/warmup.hpp>

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
struct normed : stages<input<5>, frozen<linear<4>>, batch_norm, linear<3>> {};

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

/// W and U of a minibatch after B of the next one; one rank, one microbatch.
struct late_update {
  static constexpr char const* name = "late_update";
  static constexpr bool asynchronous = true;
  static constexpr bool one_rank = true;
  static constexpr int period(schedule::extent e) { return 4 * e.stages; }

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    int slot = 0;
    for (int s = 0; s < e.stages; ++s) sink(0, op{.kind = op_kind::F, .stage = s, .slot = slot++});
    for (int s = e.stages - 1; s >= 0; --s) sink(0, op{.kind = op_kind::B, .stage = s, .slot = slot++});
    for (op_kind const kind : {op_kind::W, op_kind::U})
      for (int s = 0; s < e.stages; ++s) sink(0, op{.kind = kind, .stage = s, .microbatch = -1, .slot = slot++});
  }
};

}  // namespace

TEST_CASE("A warm-up keeps stages on the ranks of the schedule after it", "[executor]") {
  using moved = run<plain, swapped, warmup::synchronous>;
  using straight = run<plain, schedule::async_1f1b, warmup::synchronous>;
  auto const train = []<class Run>(Run*, int workers) {
    Run t({.microbatch_size = 2, .microbatches = 2, .workers = workers, .lr = {.rate = 0.1F}, .warmup = {.minibatches = 6}});
    for (lower::phase_table const& phase : t.tables().phases) {
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

TEST_CASE("What a schedule freezes is frozen in its warm-up too", "[executor]") {
  using partly = run<plain, schedule::frozen<schedule::pipemare>, warmup::synchronous>;
  partly t({.microbatch_size = 2,
            .microbatches = 2,
            .lr = {.rate = 0.1F},
            .schedule = {.trainable_from = 1, .stages = {2}},
            .warmup = {.minibatches = 3}});
  std::vector<std::vector<float>> before, after;
  for (int s = 0; s < 4; ++s) before.push_back(t.weights(s, 0));
  t.run(test::stream{.samples = 2}, {.minibatches = 5});
  for (int s = 0; s < 4; ++s) after.push_back(t.weights(s, 0));
  for (std::size_t s = 0; s < 4; ++s) CHECK((before[s] == after[s]) == (s == 0 || s == 2));
}

TEST_CASE("What a frozen schedule recomputes is recomputed in its warm-up too", "[executor]") {
  using again = run<plain, schedule::frozen<schedule::recomputed<schedule::pipemare>>, warmup::synchronous>;
  again const t({.schedule = {.base = {.segment = 2}, .trainable_from = 0, .stages = {1}}, .warmup = {.minibatches = 3}});
  REQUIRE(t.tables().phases.size() == 2);
  for (std::size_t s = 0; s < 4; ++s)
    CHECK(t.tables().phases[0].facts.stage[s].head == t.tables().phases[1].facts.stage[s].head);
  CHECK(t.tables().phases[0].facts.stage[0].head == 0);
}

TEST_CASE("Statistics of a stage without updates are evaluated after all forwards of a minibatch", "[executor]") {
  using frozen_statistics = run<normed, schedule::frozen<last_first>>;
  test::first_samples const data;
  frozen_statistics t({.microbatch_size = 4,
                       .microbatches = 3,
                       .lr = {.rate = 0.05F},
                       .schedule = {.trainable_from = frozen_statistics::stages - 1}});
  auto const report = t.fit(data, {.epochs = 2, .evaluate = data, .quiet = true});
  REQUIRE(report.evaluations.size() == 2);
  CHECK(report.evaluations.back().loss == t.evaluate(data).loss);
}

TEST_CASE("Tied weights refuse a schedule whose backwards mix two minibatches", "[executor]") {
  using mixed = run<net, late_update>;
  CHECK_THROWS_WITH(mixed({.microbatch_size = 2, .microbatches = 1, .lr = {.rate = 0.1F}}),
                    Catch::Contains("cannot train tied weights of stage 2 with the schedule late_update"));
  using separate = run<plain, late_update>;
  CHECK_NOTHROW(separate({.microbatch_size = 2, .microbatches = 1, .lr = {.rate = 0.1F}}));
}
