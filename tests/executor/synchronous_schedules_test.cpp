// The synchronous schedules of the literature train: every one to the same bits on any number of workers, and to those of
// sequential where a stage's gradients are summed in the order of its microbatches.
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/bpipe.hpp>
#include <foal/schedule/rules/chimera.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/hanayo.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>
#include <foal/schedule/rules/seq1f1b.hpp>
#include <foal/schedule/rules/varuna.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/executor/support.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/schedules.hpp"

namespace {

using namespace foal;

struct labelled {
  std::string text;
  schedule::program program;
};

template <class G>
void add_to(std::vector<labelled>& to, G const& g, int stages, int ranks, int n) {
  to.push_back({sentence(G::name, ": ", stages, " stages, ", ranks, " ranks, N ", n),
                schedule::generate(g, schedule::extent_of(g, stages, ranks, n))});
}

/// Those that sum in the order of the microbatches.
std::vector<labelled> in_order(int stages, int ranks, int n) {
  std::vector<labelled> all;
  add_to(all, schedule::gpipe{}, stages, ranks, n);
  add_to(all, schedule::k_f_k_b{}, stages, ranks, n);
  add_to(all, schedule::k_f_k_b{.k = 3}, stages, ranks, n);
  add_to(all, schedule::interleaved{.uneven = true}, stages, ranks, n);
  add_to(all, schedule::interleaved{.chunks = 3, .uneven = true}, stages, ranks, n);
  add_to(all, schedule::looped_bfs{}, stages, ranks, n);
  add_to(all, schedule::hanayo{}, stages, ranks, n);
  add_to(all, schedule::hanayo{.waves = 2}, stages, ranks, n);
  add_to(all, schedule::varuna{}, stages, ranks, n);
  add_to(all, schedule::bpipe{}, stages, ranks, n);
  return all;
}

std::vector<labelled> newest_first(int stages, int ranks, int n) {
  std::vector<labelled> all;
  add_to(all, schedule::gpipe{.newest_first = true}, stages, ranks, n);
  add_to(all, schedule::looped_bfs{.newest_first = true}, stages, ranks, n);
  add_to(all, schedule::looped_bfs{.chunks = 3, .newest_first = true}, stages, ranks, n);
  return all;
}

std::vector<labelled> in_opposite_directions(int stages, int ranks, int n) {
  std::vector<labelled> all;
  add_to(all, schedule::chimera{}, stages, ranks, n);
  add_to(all, schedule::chimera{.units = false}, stages, ranks, n);
  return all;
}

/// Trains on every number of workers, and gives what all leave.
test::traces on_any_workers(labelled const& of, test::choice c) {
  c.ranks = of.program.size().ranks;
  test::traces const one = test::train(c, 1, false, 4, {}, of.program);
  for (int workers = foal_test::repeats(1, c.ranks); workers <= c.ranks; ++workers) {
    INFO(of.text << " on " << workers << " workers");
    CHECK(test::train(c, workers, true, 4, {}, of.program) == one);
  }
  return one;
}

/// Every program leaves the same, which is given.
test::traces all_alike(std::vector<labelled> const& all, test::choice const& c) {
  test::traces first;
  for (labelled const& of : all) {
    test::traces const t = on_any_workers(of, c);
    if (first.state.empty()) first = t;
    INFO(of.text << "  " << c.text());
    CHECK(t == first);
  }
  return first;
}

struct numbers_of {
  int stages, ranks, n;
};
constexpr numbers_of all_numbers[] = {{4, 2, 4}, {4, 4, 5}, {4, 1, 3}, {9, 3, 4}, {9, 2, 3}};

struct net : stages<input<5>, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<4>, foal::tanh, linear<3>> {};

template <class Schedule>
std::vector<float> trained(Schedule const& s, int ranks, int workers) {
  typename trainer<net, loss::cross_entropy, Schedule, optim::momentum>::config c;
  c.microbatch_size = 2, c.microbatches = 4, c.ranks = ranks, c.workers = workers;
  c.schedule = s;
  c.lr = {.rate = 0.1F};
  trainer<net, loss::cross_entropy, Schedule, optim::momentum> t(c);
  t.run(test::stream{.samples = 2}, {.minibatches = 6});
  return t.all_weights();
}

}  // namespace

TEST_CASE("Schedules that sum in the order of the microbatches leave the bits of sequential", "[executor]") {
  for (numbers_of const& s : all_numbers) {
    test::choice c{.net = s.stages, .optimizer = 3, .n = s.n, .ranks = s.ranks};
    test::traces const reference = test::train(c, 1, false, 4);
    CHECK(all_alike(in_order(s.stages, s.ranks, s.n), c) == reference);
  }
}

TEST_CASE("Schedules that sum from the newest microbatch on leave the bits of each other", "[executor]") {
  for (numbers_of const& s : all_numbers) {
    test::choice c{.net = s.stages, .optimizer = 3, .n = s.n, .ranks = s.ranks};
    test::traces const reference = test::train(c, 1, false, 4);
    CHECK_FALSE(all_alike(newest_first(s.stages, s.ranks, s.n), c) == reference);
  }
}

TEST_CASE("Pipes in opposite directions leave the same bits in any order and on any ranks", "[executor]") {
  for (int const net : {4, 9}) {
    test::choice const c{.net = net, .optimizer = 3, .n = 4};
    std::vector<labelled> all;
    add_to(all, test::two_way{}, net, net, 4);
    for (int ranks : {1, 2, 3, 4})
      for (labelled const& of : in_opposite_directions(net, ranks, 4)) all.push_back(of);
    all_alike(all, c);
  }
  test::choice const c{.net = 4, .optimizer = 1, .n = 6};
  std::vector<labelled> pairs;
  add_to(pairs, schedule::chimera{.replicas = 4}, 4, 4, 6);
  add_to(pairs, schedule::chimera{.replicas = 4}, 4, 2, 6);
  all_alike(pairs, c);
}

TEST_CASE("Clipping by the global norm, and recomputation, in schedules of chunks", "[executor]") {
  test::choice const clipped{.net = 4, .optimizer = 1, .n = 4, .clip = true};
  std::vector<labelled> all;
  add_to(all, schedule::interleaved{}, 4, 2, 4);
  add_to(all, schedule::looped_bfs{}, 4, 2, 4);
  add_to(all, schedule::hanayo{}, 4, 2, 4);
  add_to(all, schedule::varuna{}, 4, 2, 4);
  std::vector<labelled> with_norm = all;
  for (labelled& of : with_norm) of.program = schedule::with_global_norm(of.program);
  all_alike(with_norm, clipped);

  test::choice const plain{.net = 4, .optimizer = 1, .n = 4, .ranks = 2};
  for (labelled& of : all) {
    if (of.program.view().recompute.empty()) of.program = schedule::with_recomputation(of.program, {0, 1, 2, 3});
    REQUIRE_FALSE(of.program.view().recompute.empty());
  }
  CHECK(all_alike(all, plain) == test::train(plain, 1, false, 4));
}

TEST_CASE("Frozen stages, and stages without a backward, in schedules of chunks", "[executor]") {
  auto const frozen = []<class G>(G const& g) { return schedule::frozen<G>{.base = g, .trainable_from = 1, .stages = {2}}; };
  auto const reference = trained(frozen(schedule::one_f_one_b{}), 4, 1);
  for (int workers : {1, 2}) {
    CHECK(trained(frozen(schedule::interleaved{}), 2, workers) == reference);
    CHECK(trained(frozen(schedule::hanayo{}), 2, workers) == reference);
    CHECK(trained(frozen(schedule::varuna{}), 3, workers) == reference);
  }
}

TEST_CASE("A trainer takes their numbers, and as many ranks as chunks leave", "[executor]") {
  auto const reference = trained(schedule::interleaved{.chunks = 1}, 1, 1);
  CHECK(trained(schedule::interleaved{}, 0, 2) == reference);  // 2 ranks
  CHECK(trained(schedule::interleaved{.chunks = 1, .turn = 4}, 0, 4) == reference);
  CHECK(trained(schedule::interleaved{.chunks = 4}, 0, 1) == reference);
  CHECK_THROWS_WITH(trained(schedule::interleaved{.chunks = 2}, 3, 1), Catch::Contains("3") && Catch::Contains("at most 2"));
  CHECK(trained(schedule::varuna{}, 0, 3) == reference);
  CHECK(trained(schedule::k_f_k_b{}, 0, 2) == reference);
  CHECK(trained(schedule::looped_bfs{}, 0, 2) == reference);
  CHECK(trained(schedule::hanayo{}, 0, 2) == reference);
  CHECK(trained(schedule::seq1f1b{.segments = 1}, 0, 4) == reference);
  CHECK_THROWS_WITH(trained(schedule::seq1f1b{}, 0, 4),
                    Catch::Contains("cannot run seq1f1b with microbatches in 2 segments, because layer 0, linear, does not "
                                    "make a sequence"));
  CHECK(trained(schedule::gpipe{.newest_first = true}, 0, 4) == trained(schedule::looped_bfs{.newest_first = true}, 0, 2));
  CHECK(trained(schedule::chimera{}, 0, 1) == trained(schedule::chimera{.units = false}, 2, 2));
  CHECK_THROWS_WITH(trained(schedule::chimera{.replicas = 3}, 0, 1), Catch::Contains(".replicas = 3"));
}
