// Ten thousand orders in which workers may advance, by an executor of a user's own: no hang, no other bits, and where a
// stage throws the same stop. FOAL_SEED=n runs the one order n again.
#include <foal/schedule/rules/amdp.hpp>
#include <foal/schedule/rules/chimera.hpp>
#include <foal/schedule/rules/cyclic.hpp>
#include <foal/schedule/rules/dual_pipe.hpp>
#include <foal/schedule/rules/dual_pipe_v.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/hanayo.hpp>
#include <foal/schedule/rules/interleaved_zb.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/v_min.hpp>
#include <foal/schedule/rules/varuna.hpp>
#include <foal/schedule/rules/wpipe.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/schedule/rules/zb_v.hpp>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>

#include "tests/executor/support.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/schedules.hpp"

namespace {

using namespace foal;
using test::choice;

/// Advances workers in an order that a seed gives, on the calling thread.
struct any_order {
  using role = foal::role::executor;
  static constexpr char const* name = "any_order";
  static constexpr bool threaded = true;
  static inline unsigned seed = 0;
  static inline long long blocked = 0;

  static void drive(std::span<executor::worker> workers, executor::service const& run) {
    std::mt19937 random(seed);
    std::vector<executor::worker*> alive;
    for (executor::worker& w : workers) alive.push_back(&w);
    for (long long idle = 0; !alive.empty();) {
      std::size_t const i = random() % alive.size();
      // Bursts of one worker fill rings to their ends, single steps interleave.
      for (auto burst = random() % 4 == 0 ? 1 + random() % 40 : std::mt19937::result_type{1}; burst > 0; --burst) {
        bool const could = alive[i]->could_advance();
        executor::progress const p = alive[i]->advance();
        if (could != (p != executor::progress::blocked)) throw error("could_advance() and advance() disagree");
        idle = p == executor::progress::ran ? 0 : idle + 1;
        if (p == executor::progress::blocked) ++blocked;
        if (p == executor::progress::done) alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(i));
        if (p != executor::progress::ran) break;
      }
      if (random() % 8 == 0) run();
      if (idle > 100000) throw error("cannot go on, because no worker advances any more: " + alive[0]->next_op());
    }
    run();
  }
};
static_assert(executor::drives<any_order>);

/// In place of the forward of one layer: throws in one of its calls, which the program counts and not the clock. Two of
/// them, so that a run may have two failures.
template <int Which>
struct thrower {
  static inline table::layer_function real = nullptr;
  static inline long long left = -1;  ///< calls before the one that throws; below 0: none does

  static void forward(table::layer_call const& c) {
    if (left >= 0 && left-- == 0) throw std::runtime_error(Which == 0 ? "a stage" : "another stage");
    real(c);
  }
  static void stand_in(table::stage_table& of, long long calls) {
    real = of.layers[0].call.forward;
    left = calls;
    of.layers[0].call.forward = &thrower::forward;
  }
};

/// Calls of a stage's forward before one throws, in two stages; below 0: none does.
struct failures {
  int stage[2]{0, 1};
  long long calls[2]{-1, -1};
  auto operator<=>(failures const&) const = default;
};

/// A program whose ranks are numbered another way, so that neighbouring stages lie anywhere.
schedule::program renamed(schedule::program of, std::vector<int> const& to) {
  schedule::program_view const v = of.view();
  schedule::program p(v.size, v.period, v.asynchronous);
  for (int r = 0; r < v.size.ranks; ++r)
    for (schedule::op const& o : v.rank(r)) p(to[static_cast<std::size_t>(r)], o);
  return p;
}

struct ordered {
  choice what;
  schedule::program own{};
};

template <class G>
schedule::program made(G const& g, int stages, int ranks, int n) {
  return schedule::generate(g, schedule::extent_of(g, stages, ranks, n));
}

std::vector<ordered> cases() {
  using test::both_ways;
  schedule::extent const four{4, 4, 2}, nine{9, 9, 2};
  schedule::extent const loop{.stages = 4, .ranks = 2, .microbatches = 2, .placed = schedule::loop},
      vee{.stages = 9, .ranks = 3, .microbatches = 2, .placed = schedule::vee};
  return {
      {{4, 1, false, 0, 1, 2, 2}, schedule::generate(test::interleaved{}, loop)},
      {{4, 4, false, 1, 1, 2, 2}, schedule::generate(schedule::folded<schedule::pipemare>{}, loop)},
      {{9, 2, false, 0, 3, 2, 3}, schedule::generate(schedule::folded<schedule::one_f_one_b>{.placed = schedule::vee}, vee)},
      {{9, 3, false, 1, 1, 2, 3}, schedule::generate(schedule::folded<schedule::async_1f1b>{.placed = schedule::vee}, vee)},
      {{4, 4, false, 1, 1, 2}},
      {{4, 3, true, 0, 3, 3}},
      {{4, 1, false, 0, 1, 4}},
      {{4, 2, false, 0, 2, 3}},
      {{6, 4, false, 1, 1, 2}},
      {{6, 3, true, 0, 1, 2, 3}},
      {{9, 2, false, 0, 4, 3, 4}},
      {{9, 3, false, 1, 1, 2}, schedule::generate(schedule::recomputed<schedule::async_1f1b>{.segment = 4}, nine)},
      {{4, 2, false, 0, 1, 2}, schedule::generate(schedule::zb_h1{}, four)},
      {{.net = 9, .optimizer = 3, .n = 4, .ranks = 5}, made(schedule::zb_v{}, 9, 5, 4)},
      {{.net = 9, .optimizer = 3, .n = 3, .ranks = 3}, made(schedule::v_min{}, 9, 3, 3)},
      {{.net = 4, .optimizer = 3, .n = 3, .ranks = 2}, made(schedule::interleaved_zb{}, 4, 2, 3)},
      {{.net = 6, .optimizer = 3, .n = 3, .ranks = 4}, made(schedule::two_bp{}, 6, 4, 3)},
      {{.net = 4, .optimizer = 3, .n = 8, .ranks = 4}, made(schedule::dual_pipe{}, 4, 4, 8)},
      {{.net = 9, .optimizer = 3, .n = 4, .ranks = 2}, made(schedule::dual_pipe_v{}, 9, 2, 4)},
      {{4, 0, false, 0, 1, 4}, schedule::generate(test::two_way{}, both_ways(4, 4))},
      {{9, 0, false, 0, 3, 3, 3}, schedule::generate(test::two_way{}, both_ways(9, 3, 3))},
      {{4, 0, false, 0, 3, 4, 0, false, true},
       schedule::with_global_norm(schedule::generate(test::two_way{}, both_ways(4, 4)))},
      {{4, 3, false, 1, 1, 4}, schedule::generate(test::two_way_live{}, both_ways(4, 4))},
      {{4, 3, true, 0, 3, 3}, schedule::generate(test::two_way_live{}, both_ways(4, 4, 3))},
      {{9, 1, false, 0, 1, 4, 3}, made(schedule::hanayo{}, 9, 3, 4)},
      {{4, 1, false, 0, 3, 3, 2}, made(schedule::looped_bfs{.newest_first = true}, 4, 2, 3)},
      {{9, 1, false, 0, 1, 4, 4}, made(schedule::varuna{}, 9, 4, 4)},
      {{4, 0, false, 0, 1, 6}, made(schedule::chimera{.replicas = 4}, 4, 4, 6)},
      {{4, 3, false, 1, 1, 4}, schedule::generate(schedule::paci{.every = 2}, {4, 4, 4})},
      {{4, 3, true, 0, 3, 3, 2}, made(schedule::wpipe{}, 4, 2, 3)},
      {{4, 3, false, 1, 1, 3, 2}, made(schedule::cyclic{}, 4, 2, 3)},
      {{4, 3, false, 1, 1, 4}, made(schedule::amdp{}, 4, 4, 4)},
      {{4, 3, false, 1, 1, 2}, renamed(test::program_of(3, four), {0, 2, 1, 3})},
      {{4, 4, false, 1, 1, 2}, renamed(test::program_of(4, four), {3, 1, 0, 2})}};
}

/// What a run has left, or which stage ended it: after that stages stand where the clock has left them.
struct left {
  std::vector<std::byte> state;
  std::string thrown;
  bool operator==(left const&) const = default;
};

left run_of(ordered const& of, int workers, executor::driver by, failures const& fail) {
  table::run_tables t = test::tables_of(of.what, of.own);
  thrower<0>::stand_in(t.stages[static_cast<std::size_t>(fail.stage[0])], fail.calls[0]);
  thrower<1>::stand_in(t.stages[static_cast<std::size_t>(fail.stage[1])], fail.calls[1]);
  executor::engine engine(t, {test::bit_samples, of.what.n, workers, 5, false, 64, false}, by,
                          test::shares(t.ranks, workers));
  test::stream const data = test::data_of(of.what, test::bit_samples);
  executor::run_request request;
  request.minibatches = 3;
  request.source = test::source_of(data);
  left all;
  try {
    engine.run(request, 0);
    all.state = test::state_of(t, engine.stages());
  } catch (std::runtime_error const& e) {
    all.thrown = e.what();
  }
  return all;
}

}  // namespace

constexpr unsigned orders = foal_test::repeats(10000, 150);

TEST_CASE("ten thousand orders of the workers' ops leave the same bits, or the first failure in the program's order") {
  std::vector<ordered> const all = cases();
  std::map<std::pair<std::size_t, failures>, left> expected;
  char const* const one = std::getenv("FOAL_SEED");
  unsigned const first = one != nullptr ? static_cast<unsigned>(std::atoi(one)) : 0, count = one != nullptr ? 1 : orders;
  long long thrown = 0;
  any_order::blocked = 0;
  for (unsigned seed = first; seed < first + count; ++seed) {
    std::mt19937 random(seed + 1);
    auto const below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    auto const which = static_cast<std::size_t>(below(static_cast<int>(all.size())));
    ordered const& of = all[which];
    failures fail;
    fail.stage[0] = below(of.what.net);
    fail.stage[1] = (fail.stage[0] + 1 + below(of.what.net - 1)) % of.what.net;
    // Replicas count the calls of a stage together, so which of two stages throws first would be a matter of the order.
    int const how_many = of.own.size().replicas > 1 ? below(2) : below(3);
    for (int i = 0; i < how_many; ++i) fail.calls[i] = below(3 * of.what.n);
    if (how_many == 0) fail = failures{};
    int const workers = 2 + below((of.what.ranks > 0 ? of.what.ranks : of.what.net) - 1);
    INFO("FOAL_SEED=" << seed << "  case " << which << "  " << of.what.text() << "  " << how_many
                      << " stages throw  workers " << workers);
    auto const [place, fresh] = expected.try_emplace({which, fail}, left{});
    if (fresh) place->second = run_of(of, 1, executor::driver_of<executor::single_thread>(), fail);
    any_order::seed = seed;
    left const now = run_of(of, workers, executor::driver_of<any_order>(), fail);
    thrown += now.thrown.empty() ? 0 : 1;
    REQUIRE(now.thrown == place->second.thrown);
    REQUIRE(now == place->second);
  }
  std::cout << count << " orders, " << thrown << " of them ended by a stage that threw, " << any_order::blocked
            << " times a worker was blocked\n";
  if (one == nullptr) CHECK(any_order::blocked > orders);  // else nothing was out of step
}
