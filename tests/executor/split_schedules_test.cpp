// Schedules that split the backward train: to the same bits on any number of workers, with threads and without, and to those
// of `sequential`, as every stage adds up its gradients in the order of microbatches.
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/dual_pipe.hpp>
#include <foal/schedule/rules/dual_pipe_v.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/interleaved_zb.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/v_half.hpp>
#include <foal/schedule/rules/v_min.hpp>
#include <foal/schedule/rules/v_search.hpp>
#include <foal/schedule/rules/zb_auto.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/schedule/rules/zb_h2.hpp>
#include <foal/schedule/rules/zb_v.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/executor/support.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/schedules.hpp"

namespace {

using namespace foal;

struct made {
  std::string text;
  schedule::program program;
};

template <class G>
made of(G const& g, int stages, int ranks, int n) {
  return {sentence(G::name, " on ", ranks, " ranks"), schedule::generate(g, schedule::extent_of(g, stages, ranks, n))};
}

/// All that take any numbers, on as many ranks as they want and on fewer, so that chunks have several stages or differ.
std::vector<made> split(int stages, int n) {
  std::vector<made> all;
  int const half = (stages + 1) / 2;
  for (int const ranks : {stages, 3, 1}) {
    all.push_back(of(schedule::zb_h1{}, stages, ranks, n));
    all.push_back(of(schedule::zb_h2{}, stages, ranks, n));
    all.push_back(of(schedule::zb_auto{.forward = 2, .weight = 3, .message = 1}, stages, ranks, n));
    all.push_back(of(schedule::two_bp{}, stages, ranks, n));
  }
  for (int const ranks : {half, 2}) {
    all.push_back(of(schedule::zb_v{}, stages, ranks, n));
    all.push_back(of(schedule::v_half{}, stages, ranks, n));
    all.push_back(of(schedule::v_min{}, stages, ranks, n));
    all.push_back(of(schedule::v_min{.reordered = false}, stages, ranks, n));
    all.push_back(of(schedule::v_search{.forward = 3, .weight = 2}, stages, ranks, n));
    all.push_back(of(schedule::interleaved_zb{}, stages, ranks, n));
    if (n >= 2 * ranks) all.push_back(of(schedule::dual_pipe_v{}, stages, ranks, n));
  }
  return all;
}

/// What the program leaves on one thread and on so many workers, which must be the same; 0 workers: as many as ranks.
test::traces on_any_workers(made const& m, test::choice c, std::vector<int> const& workers = {2, 0}) {
  schedule::program p = m.program;
  c.ranks = p.view().size.ranks;
  INFO(m.text << "  " << c.text());
  test::traces const one = test::train(c, 1, false, 3, {}, p);
  for (int const some : workers) {
    if (some >= c.ranks || (foal_test::sanitized && some != 0)) continue;
    int const of = some == 0 ? c.ranks : some;
    INFO(of << " workers");
    CHECK(test::train(c, of, true, 3, {}, p) == one);
  }
  return one;
}

struct net : stages<input<5>, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<3>> {};

template <class Schedule>
std::vector<float> trained(Schedule const& schedule, int ranks, int workers) {
  using run = trainer<net, loss::cross_entropy, Schedule, optim::momentum>;
  typename run::config c;
  c.schedule = schedule;
  c.microbatch_size = 2, c.microbatches = 4, c.ranks = ranks, c.workers = workers;
  c.lr = {.rate = 0.1F};
  run t(c);
  t.run(test::stream{.samples = 2}, {.minibatches = 6});
  return t.all_weights();
}

}  // namespace

TEST_CASE("Schedules that split the backward leave the bits of sequential, on any workers", "[executor]") {
  for (int const stages : {4, 9})
    for (int const n : {1, 6}) {
      if (foal_test::sanitized && (stages == 4) == (n == 1)) continue;
      test::choice const c{.net = stages, .optimizer = 3, .n = n};
      test::traces const reference = test::train(c, 1, false, 3);
      for (made const& m : split(stages, n)) {
        INFO(m.text << "  " << c.text());
        CHECK(on_any_workers(m, c, {1, 2, 3, 0}) == reference);
      }
    }
}

TEST_CASE("So do they with tied layers, a norm of all stages, recomputed stages, and W's of a minibatch at once",
          "[executor]") {
  test::choice const tied{.net = 6, .optimizer = 1, .n = 4}, norm{.net = 9, .optimizer = 3, .n = 4, .clip = true},
      recomputed{.net = 9, .optimizer = 3, .n = 4}, thick{.net = 4, .optimizer = 3, .n = 4, .thick = true};
  auto const clipped = [](schedule::program p) { return schedule::with_global_norm(std::move(p)); };
  auto const again = [](schedule::program p) {
    return schedule::with_recomputation(std::move(p), {0, 0, 0, 3, 4, 4, -1, 7, 7});
  };
  auto const sequential = [](test::choice const& c) { return schedule::generate(schedule::sequential{}, {c.net, 1, c.n}); };
  auto const one = [&](test::choice c, schedule::program p) {
    c.ranks = 1;
    return test::train(c, 1, false, 3, {}, std::move(p));
  };
  test::traces const of_tied = one(tied, sequential(tied)), of_norm = one(norm, clipped(sequential(norm))),
                     of_recomputed = one(recomputed, sequential(recomputed));
  for (made const& m : split(6, 4)) CHECK(on_any_workers(m, tied) == of_tied);
  std::vector<test::traces> together;
  for (made const& m : split(4, 4)) together.push_back(on_any_workers(m, thick));
  for (test::traces const& t : together) CHECK(t == together.front());
  for (made const& m : split(9, 4)) {
    INFO(m.text);
    CHECK(on_any_workers({m.text, clipped(m.program)}, norm) == of_norm);
    CHECK(on_any_workers({m.text, again(m.program)}, recomputed) == of_recomputed);
  }
}

TEST_CASE("DualPipe leaves the bits of any schedule of two replicas that take microbatches in turns", "[executor]") {
  for (int const stages : {4, 9})
    for (int const ranks : {2, 4}) {
      test::choice c{.net = stages, .optimizer = 3, .n = 2 * ranks};
      test::traces const one = on_any_workers(of(schedule::dual_pipe{}, stages, ranks, c.n), c);
      CHECK(one == on_any_workers({"two_way", schedule::generate(test::two_way{}, test::both_ways(stages, 1, c.n))}, c));
      CHECK(one == on_any_workers(of(schedule::two_bp<schedule::dual_pipe>{}, stages, ranks, c.n), c));
    }
}

TEST_CASE("A trainer takes them by name, with the ranks that they want by default", "[executor]") {
  std::vector<float> const reference = trained(schedule::sequential{}, 1, 1);
  CHECK(trained(schedule::zb_v{}, 0, 2) == reference);
  CHECK(trained(schedule::interleaved_zb{.chunks = 3}, 0, 2) == reference);
  CHECK(trained(schedule::interleaved_zb{.chunks = 3}, 2, 1) == reference);
  CHECK(trained(schedule::two_bp<schedule::v_search>{.base = {.memory = 5}}, 2, 2) == reference);
  CHECK(trained(schedule::dual_pipe{}, 2, 2) == trained(schedule::dual_pipe{}, 2, 1));
}
