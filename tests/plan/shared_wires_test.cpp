// Wires within a worker: places never meet at the same time, and a run of fine stages needs little for them.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/plan/shared_wires.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <set>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using executor::shared_wires;
using schedule::op_kind;

table::run_tables tables_of(schedule::program program) {
  table::run_tables t;
  t.phases.push_back(lower::detail::make_phase("test", std::move(program), versions::live{}));
  return t;
}

struct wire {
  std::size_t number;
  shared_wires::end from, to;
};

/// Runs the ops of one worker that hosts all ranks in order, `periods` times, and looks at every step which wires are in
/// use.
template <class Schedule>
int most_in_use(Schedule const& s, int stages, int microbatches) {
  auto const t = tables_of(schedule::generate(s, {stages, stages, microbatches}));
  std::vector<int> const one(static_cast<std::size_t>(stages), 0);
  shared_wires shared(t, one, 1, microbatches);
  constexpr std::size_t bytes = 64;
  std::vector<wire> wires;
  auto const& facts = t.phases[0].facts.stage;
  auto const add = [&](int slots, shared_wires::end from, shared_wires::end to) {
    if (slots == 1) wires.push_back({shared.add(0, from, to, bytes), from, to});  // as in the plan: others hold more
  };
  for (int k = 1; k < stages; ++k) {
    add(facts[static_cast<std::size_t>(k)].wire_transit, {op_kind::F, k - 1}, {op_kind::F, k});
    add(facts[static_cast<std::size_t>(k) - 1].gradient_transit, {op_kind::B, k}, {op_kind::B, k - 1});
  }
  std::size_t const whole = shared.place(0);
  CHECK(whole % bytes == 0);

  schedule::program program = t.phases[0].program;
  auto const view = program.view();
  std::vector<std::pair<schedule::op, int>> list;
  for (int r = 0; r < stages; ++r)
    for (schedule::op const& o : view.rank(r)) list.emplace_back(o, r);
  std::stable_sort(list.begin(), list.end(), [](auto const& a, auto const& b) {
    return std::tuple(a.first.slot, a.second, a.first.lane) < std::tuple(b.first.slot, b.second, b.first.lane);
  });
  auto const is = [](schedule::op const& o, shared_wires::end e) {
    return o.stage == e.unit && (o.kind == e.kind || (e.kind == op_kind::B && schedule::is_backward(o.kind)));
  };
  std::multiset<std::pair<std::size_t, long long>> full;  // wire and microbatch
  int most = 0;
  int const periods = 3 * stages;
  for (int period = 0; period < periods; ++period)
    for (auto const& [o, rank] : list) {
      long long const m = static_cast<long long>(period) * microbatches + o.microbatch;
      if (m < 0) continue;
      for (wire const& w : wires)
        if (is(o, w.from)) full.emplace(w.number, m);
      std::set<std::size_t> taken;
      for (auto const& [number, microbatch] : full) {
        INFO("offset " << shared.offset(number) << " in period " << period << ", " << schedule::name(o.kind) << o.stage);
        REQUIRE(taken.insert(shared.offset(number)).second);  // nothing else is in use there
      }
      most = std::max(most, static_cast<int>(taken.size()));
      for (wire const& w : wires)
        if (is(o, w.to)) full.erase({w.number, m});
    }
  CHECK(static_cast<std::size_t>(most) * bytes <= whole);
  return static_cast<int>(whole / bytes);
}

/// What it takes to place all wires of so many stages on one worker.
long long steps_for(int stages, int microbatches) {
  auto const t = tables_of(schedule::generate(schedule::sequential{}, {stages, 1, microbatches}));
  shared_wires shared(t, {0}, 1, microbatches);
  for (int k = 1; k < stages; ++k) {
    shared.add(0, {op_kind::F, k - 1}, {op_kind::F, k}, 64);
    shared.add(0, {op_kind::B, k}, {op_kind::B, k - 1}, 64);
  }
  CHECK(shared.place(0) == 2 * 64);
  return shared.steps();
}

}  // namespace

TEST_CASE("Wires in use at the same time lie apart, those that take turns share", "[shared_wires]") {
  CHECK(most_in_use(schedule::sequential{}, 1, 1) == 0);
  schedule::program p = schedule::generate(schedule::sequential{}, {6, 1, 3});
  CHECK(p.view().size.stages == 6);
  // One microbatch after the other through all stages: a wire is written, read, and gone; its neighbours alternate.
  auto const t = tables_of(std::move(p));
  shared_wires shared(t, {0}, 1, 3);
  for (int k = 1; k < 6; ++k) shared.add(0, {op_kind::F, k - 1}, {op_kind::F, k}, 100);
  CHECK(shared.place(0) == 2 * 128);
}

TEST_CASE("Where every stage has a rank but one worker runs them all, places hold too", "[shared_wires]") {
  CHECK(most_in_use(schedule::gpipe{}, 4, 1) <= 4);
  CHECK(most_in_use(schedule::pipemare{}, 5, 2) <= 10);
  CHECK(most_in_use(schedule::async_1f1b{}, 5, 2) <= 10);
}

TEST_CASE("To place wires takes steps for the stages, and for the microbatches, not for their squares", "[shared_wires]") {
  for (auto const& [stages, microbatches] : {std::pair{16, 8}, {16, 64}, {128, 4}}) {
    INFO(stages << " stages, " << microbatches << " microbatches");
    long long const steps = steps_for(stages, microbatches);
    CHECK(steps > 2LL * (stages - 1) * microbatches);  // each is written once for each microbatch
    CHECK(steps < 40LL * stages * microbatches);
    CHECK(steps_for(2 * stages, microbatches) <= steps * 21 / 10);
    CHECK(steps_for(stages, 2 * microbatches) <= steps * 21 / 10);
  }
}

TEST_CASE("A deep net on one worker keeps two wires and two gradients, not one of each a stage", "[shared_wires]") {
  using deep = trainer<test::mlp<16>, loss::cross_entropy, schedule::sequential>;
  deep const t({.microbatch_size = 16, .microbatches = 2});
  std::size_t wires = 0;
  for (auto const& e : t.engine().memory().plan().entries())
    if (e.what == "wires within the worker") wires += e.bytes;
  std::size_t const one = 16 * 4 * sizeof(float);
  CHECK(wires > 0);
  CHECK(wires <= 4 * one);
}
