// The worker loop driven by hand: any order in which workers advance, and schedules of a user's own.
#include <catch2/catch.hpp>
#include <random>

#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

#include "tests/executor/support.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/schedules.hpp"

namespace {

using namespace foal;
using test::choice;

/// One phase with all its workers, advanced in an order that a seed gives. Counts how often a worker had to wait.
struct shuffled_workers {
  test::traces out;
  long long blocked = 0;

  shuffled_workers(choice const& c, int count, long long minibatches, unsigned seed) {
    table::run_tables const t = test::tables_of(c);
    table::run_values const values{test::bit_samples, c.n, count, 5, false, 64, false};
    executor::run_memory memory(t, values, test::shares(t.ranks, count));
    test::begin_last_phase(t, values, memory);
    schedule::program program = t.phases.back().program;
    schedule::program_view const view = program.view();
    test::stream const data = test::data_of(c, test::bit_samples);
    executor::stage_ops const ops(t, values, test::source_of(data), memory.host_targets());
    executor::run_losses losses(0, minibatches * c.n, 0, true);
    test::recorder seen(c.net);
    seen.scalar_bytes = sizeof(float);
    executor::phase_state shared(view);
    test::share(shared, t, values, memory, ops, losses, minibatches);
    shared.watch = seen.observer();
    std::vector<executor::worker> workers;
    for (int w = 0; w < count; ++w) {
      std::vector<int> ranks;
      for (int r = 0; r < t.ranks; ++r)
        if (memory.worker_of_rank(r) == w) ranks.push_back(r);
      workers.emplace_back(shared, view, ranks, w);
    }

    std::mt19937 random(seed);
    std::vector<std::size_t> alive;
    for (std::size_t w = 0; w < workers.size(); ++w) alive.push_back(w);
    long long idle = 0;
    while (!alive.empty()) {
      std::size_t const i = random() % alive.size();
      // Bursts of one worker fill rings to their ends, single steps interleave.
      for (unsigned burst = random() % 3 == 0 ? 40 : 1; burst > 0; --burst) {
        bool const could = workers[alive[i]].could_advance();
        executor::progress const p = workers[alive[i]].advance();
        if (could != (p != executor::progress::blocked)) throw error("could_advance() and advance() disagree");
        if (p == executor::progress::ran) {
          idle = 0;
          continue;
        }
        if (p == executor::progress::done)
          alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(i));
        else
          ++blocked, ++idle;
        break;
      }
      if (idle > 10000) throw error("cannot go on, because no worker advances any more: " + workers[alive[0]].next_op());
    }
    out.state = test::state_of(t, memory.stages());
    for (auto const& l : losses.take_each()) out.losses.push_back(l.sum);
    out.updates = seen.bytes();
  }
};

schedule::extent extent_of(choice const& c) { return {c.net, c.ranks > 0 ? c.ranks : c.net, c.n}; }

}  // namespace

TEST_CASE("workers advanced in any order leave the same bits") {
  std::vector<choice> const some = {{4, 4, false, 1, 1, 2}, {4, 3, true, 0, 3, 3},     {4, 1, false, 0, 1, 4},
                                    {4, 2, false, 0, 2, 5}, {9, 4, false, 2, 4, 1, 3}, {9, 3, false, 1, 1, 2},
                                    {9, 2, false, 0, 4, 3}};
  for (choice const& c : some) {
    INFO(c.text());
    test::traces const reference = test::train(c, 1, false, 20);
    long long blocked = 0;
    for (unsigned seed = 0; seed < foal_test::repeats(24U, 4U); ++seed)
      for (int count : {2, extent_of(c).ranks}) {
        INFO("seed " << seed << "  workers " << count);
        shuffled_workers const run(c, count, 20, seed);
        blocked += run.blocked;
        CHECK(run.out == reference);
      }
    CHECK(blocked > foal_test::repeats(100, 15));  // else nothing was out of step
  }
}

TEST_CASE("W as an op of its own gives the fused op's bits") {
  foal_test::turns turns(2);
  auto const check = [&](auto const& rule) {
    for (int net : {4, 9})
      for (int n : {1, 3, 6}) {
        if (!turns.take()) continue;
        choice const c{net, 2, false, 0, 1, n};
        INFO(c.text() << " " << rule.name);
        test::traces const fused = test::train(c, 1, false, 20);
        CHECK(test::train(c, 1, false, 20, {}, schedule::generate(rule, extent_of(c))) == fused);
        CHECK(test::train(c, 3, true, 20, {}, schedule::generate(rule, extent_of(c))) == fused);
        choice folded = c;
        folded.ranks = 3;
        CHECK(test::train(folded, 2, true, 20, {}, schedule::generate(rule, extent_of(folded))) == fused);
      }
  };
  check(schedule::zb_h1{});
  check(schedule::two_bp{});
}

TEST_CASE("backward passes from the last microbatch to the first run, with sums of their own") {
  for (int net : {4, 9})
    for (int n : {1, 4}) {
      choice const c{net, 1, false, 0, 1, n};
      INFO(c.text());
      schedule::program const program = schedule::generate(test::last_in_first_out{}, extent_of(c));
      test::traces const one = test::train(c, 1, false, 20, {}, program);
      CHECK(test::train(c, net, true, 20, {}, program) == one);
      CHECK(test::train(c, 2, true, 20, {}, program) == one);
      test::traces const forwards = test::train(c, 1, false, 20);
      CHECK((forwards == one) == (n == 1));
      // The gradients are the same sums in another order.
      double off = 0;
      for (std::size_t i = 0; i < one.losses.size(); ++i) off = std::max(off, std::abs(one.losses[i] - forwards.losses[i]));
      CHECK(off < 1e-3);
    }
}
