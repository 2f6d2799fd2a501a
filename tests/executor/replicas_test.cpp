// Replicas of every stage, in opposite directions or side by side: the same bits on any number of workers and after a cut,
// equal weights in all replicas, the sums of a plain loop, and those of one pipeline.
#include <foal/device/host.hpp>
#include <foal/executor/any_source.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/lower/lower.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <cstring>
#include <set>

#include "tests/support/nets.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/schedules.hpp"

namespace {

using namespace foal;
using net = test::mlp<4>;

constexpr int samples = 2;
constexpr long long minibatches = 6;

/// One of several schedules, by a number, so that the net is lowered once.
struct any_schedule {
  static constexpr char const* name = "any_schedule";
  static constexpr bool asynchronous = false;
  int which = 0;  ///< sequential, two_way, two_way_live, one_f_one_b, async_1f1b, pipemare
  int replicas = 1;
  schedule::placement placed = schedule::contiguous;

  template <class Sink>
  void emit(schedule::extent, Sink&) const {}
  schedule::program build(schedule::extent e) const {
    switch (which) {
      case 1:
        return schedule::generate(test::two_way{}, e);
      case 2:
        return schedule::generate(test::two_way_live{}, e);
      case 3:
        return schedule::generate(schedule::one_f_one_b{}, e);
      case 4:
        return schedule::generate(schedule::async_1f1b{}, e);
      case 5:
        return schedule::generate(schedule::pipemare{}, e);
      default:
        return schedule::generate(schedule::sequential{}, e);
    }
  }
};

/// Values that tables point to.
struct values {
  loss::cross_entropy loss{};
  optim::momentum optimizer{.momentum = 0.9};
  lr::constant rate{.rate = 0.1};
  delay::none delay{};
  versions::live versions{};
  accumulate::each accumulate{};
  warmup::none warmup{};
  clip::per_stage clip{.norm = 0.05};
  initialisation::declared initial{};
};

/// replicas: of the whole schedule, side by side. ranks and n are those of one of them.
table::run_tables tables_of(int which, int ranks, int n, int replicas = 1) {
  static values const p;
  any_schedule g{.which = which};
  if (which == 1 || which == 2) g.replicas = 2, g.placed = schedule::bidirectional;
  return lower::lower<net, device::host, double>(
      g, schedule::extent_of(g, 4, ranks, n),
      lower::by_role(p.loss, p.optimizer, p.rate, p.delay, p.versions, p.accumulate, p.warmup, p.clip, p.initial), replicas);
}

/// Microbatches that have, one behind the other, those of all replicas: what one pipeline trains on as they do together.
struct of_all {
  int replicas = 1, n = 1;  ///< n: of one of them, in a minibatch
  test::stream from{.samples = samples};

  long long at(long long m, int replica) const { return m / n * n * replicas + replica * n + m % n; }
  template <class S>
  void inputs(long long m, S* x, S* scratch) const {
    for (int r = 0; r < replicas; ++r) from.inputs(at(m, r), x + r * samples * from.features, scratch);
  }
  template <class T>
  void targets(long long m, T* t) const {
    for (int r = 0; r < replicas; ++r) from.targets(at(m, r), t + r * samples);
  }
};
static_assert(samples == 2);

table::source_functions source() {
  static test::stream const data{.samples = samples};
  return executor::source_of<double, std::int32_t>(data);
}

double distance(std::vector<double> const& a, std::vector<double> const& b) {
  double off = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && off < 1; ++i) off = std::max(off, std::abs(a[i] - b[i]));
  return off;
}

std::vector<int> shares(int ranks, int workers) {
  std::vector<int> of;
  for (int r = 0; r < ranks; ++r) of.push_back(r * workers / ranks);
  return of;
}

table::run_values values_of(int n, int workers) { return {samples, n, workers, 5, false, 64, false}; }

/// A run of its own tables.
struct piece {
  table::run_tables tables;
  executor::engine engine;

  piece(int which, int ranks, int n, int workers, int replicas = 1)
      : piece(tables_of(which, ranks, n, replicas), values_of(n * replicas, workers)) {}
  piece(table::run_tables of, table::run_values const& v)
      : tables(std::move(of)),
        engine(tables, v,
               v.workers > 1 ? executor::driver_of<executor::threads>() : executor::driver_of<executor::single_thread>(),
               shares(tables.ranks, v.workers)) {}

  executor::run_result run(std::optional<executor::run_place> pause = {}, bool resumes = false,
                           table::source_functions const& from = source()) {
    executor::run_request request;
    request.minibatches = minibatches;
    request.loss_every = 2;
    request.source = from;
    request.pause = pause;
    executor::run_result r = resumes ? engine.resume(request) : engine.run(request, 0);
    if (r.diverged) throw error(r.diverged->text());
    return r;
  }
  std::vector<double> weights(int replica = 0) const {
    std::vector<double> all;
    for (executor::bound_stage const& b : engine.stages()) {
      if (b.replica != replica) continue;
      auto const* const w = reinterpret_cast<double const*>(b.w);
      all.insert(all.end(), w, w + b.table->weight_elements);
    }
    return all;
  }
};

/// Sums of losses, as the run has told them.
std::vector<double> sums_of(executor::run_result const& r) {
  std::vector<double> all;
  for (auto const& s : r.sums) all.push_back(s.sum);
  return all;
}

/// The same run by a plain loop: per replica the sum of its microbatches' gradients, then the sum over replicas. n: of all
/// of them; in_turns: microbatches are dealt out one by one, else each replica has neighbours.
std::vector<double> in_a_loop(int n, int replicas = 2, bool in_turns = true) {
  table::run_tables const t = tables_of(0, 1, n);
  table::run_values const v = values_of(n, 1);
  piece initial(0, 1, n, 1);
  executor::run_memory memory(t, v, {0});
  auto& stages = memory.stages();
  for (std::size_t s = 0; s < stages.size(); ++s)
    std::memcpy(stages[s].w, initial.engine.stages()[s].w,
                sizeof(double) * static_cast<std::size_t>(stages[s].table->weight_elements));
  memory.reset_phase(t.phases.front());
  executor::stage_ops const ops(t, v, source(), memory.host_targets());
  for (int k = 0; k < minibatches; ++k) {
    std::vector<std::vector<double>> sum(stages.size());
    for (int replica = 0; replica < replicas; ++replica) {
      for (int j = 0; j < n; ++j) {
        if ((in_turns ? j % replicas : j / (n / replicas)) != replica) continue;
        executor::position const p{static_cast<std::uint32_t>(k * n + j), k * n + j};
        for (executor::bound_stage& b : stages) ops.forward(b, p);
        for (std::size_t s = stages.size(); s-- > 0;) ops.backward(stages[s], p, true);
      }
      for (std::size_t s = 0; s < stages.size(); ++s) {
        auto* const g = reinterpret_cast<double*>(stages[s].g);
        sum[s].resize(static_cast<std::size_t>(stages[s].table->gradient_elements), 0.0);
        for (std::size_t i = 0; i < sum[s].size(); ++i) sum[s][i] = replica == 0 ? g[i] : sum[s][i] + g[i], g[i] = 0;
      }
    }
    for (std::size_t s = 0; s < stages.size(); ++s) {
      std::copy(sum[s].begin(), sum[s].end(), reinterpret_cast<double*>(stages[s].g));
      REQUIRE(ops.update(stages[s]).empty());
    }
  }
  std::vector<double> all;
  for (executor::bound_stage const& b : stages) {
    auto const* const w = reinterpret_cast<double const*>(b.w);
    all.insert(all.end(), w, w + b.table->weight_elements);
  }
  return all;
}

}  // namespace

TEST_CASE("Two replicas train to the sums of a plain loop, on any number of workers", "[executor]") {
  for (int n : {2, 3, 4}) {
    piece plain(0, 4, n, 1);
    auto const in_order = sums_of(plain.run());
    auto const sequential = plain.weights(), loop = in_a_loop(n);
    for (int which : {1, 2})
      for (int ranks : {1, 3, 4}) {
        std::vector<double> one, losses;
        for (int workers = 1; workers <= ranks; ++workers) {
          INFO("N " << n << "  schedule " << which << "  ranks " << ranks << "  workers " << workers);
          piece now(which, ranks, n, workers);
          CHECK(now.tables.units() == 8);
          CHECK(now.weights(0) == now.weights(1));
          auto const sums = sums_of(now.run());
          CHECK(now.weights(0) == now.weights(1));
          if (workers == 1) one = now.weights(), losses = sums;
          CHECK(now.weights() == one);
          CHECK(sums == losses);
        }
        if (which == 2) {
          CHECK(one != loop);  // it has a delay
          continue;
        }
        CHECK(one == loop);
        CHECK(distance(one, sequential) < 1e-12);
        REQUIRE(losses.size() == in_order.size());
        for (std::size_t i = 0; i < losses.size(); ++i) CHECK(losses[i] == Approx(in_order[i]).epsilon(1e-12));
      }
  }
}

TEST_CASE("Replicas of a pipeline train as it does on the microbatches of all, on any number of workers", "[executor]") {
  for (int const replicas : {2, 3})
    for (int which : {0, 3, 4, 5}) {
      int const n = 2, ranks = which == 0 ? 1 : 3;
      of_all const data{replicas, n};
      piece alone(tables_of(which, ranks, n), {samples * replicas, n, 1, 5, false, 64, false});
      auto const wanted = sums_of(alone.run({}, false, executor::source_of<double, std::int32_t>(data)));
      std::vector<double> one, losses;
      for (int workers = 1; workers <= ranks * replicas; ++workers) {
        INFO("schedule " << which << "  replicas " << replicas << "  workers " << workers);
        piece now(which, ranks, n, workers, replicas);
        auto const sums = sums_of(now.run());
        for (int k = 1; k < replicas; ++k) CHECK(now.weights(k) == now.weights(0));
        if (workers == 1) one = now.weights(), losses = sums;
        CHECK(now.weights() == one);
        CHECK(sums == losses);
      }
      if (which == 0 || which == 3) CHECK(one == in_a_loop(n * replicas, replicas, false));
      CHECK(distance(one, alone.weights()) < 1e-12);
      CHECK(distance(losses, wanted) < 1e-12);
      if (which != 0) continue;
      piece in_order(0, 1, n * replicas, 1);  // the same minibatches in the same order of microbatches
      in_order.run();
      CHECK(distance(one, in_order.weights()) < 1e-12);
    }
}

TEST_CASE("Replicas that are cut at any key go on to the same bits", "[executor]") {
  for (int which : {1, 2, 5}) {
    int const beside = which == 5 ? 2 : 1, n = which == 5 ? 2 : 3, ranks = which == 5 ? 2 : 4;
    piece whole(which, ranks, n, 1, beside);
    auto const losses = sums_of(whole.run());
    schedule::program program = whole.tables.phases.back().program;
    schedule::program_view const view = program.view();
    executor::op_order const order(view);
    std::set<long long> keys;
    for (long long p = 0; p < minibatches; ++p)
      for (int r = 0; r < view.size.ranks; ++r)
        for (schedule::op const& o : view.rank(r))
          if (p * view.size.microbatches + o.microbatch >= 0) keys.insert(order.key(p, o, r));
    int turn = 0;
    for (long long const key : keys) {
      int const from = 1 + turn % ranks, to = 1 + turn / 2 % ranks;
      if (++turn % foal_test::repeats(1, 7) != 0) continue;
      INFO("schedule " << which << "  key " << key << "  workers " << from << " then " << to);
      piece first(which, ranks, n, from, beside), second(which, ranks, n, to, beside);
      REQUIRE(first.run(executor::run_place{0, key}).paused);
      executor::run_cut const cut = first.engine.cut();
      for (std::size_t i = 0; i < second.engine.memory().plan().entries().size(); ++i)
        if (auto const& e = second.engine.memory().plan()[i]; e.what != "library workspace")
          std::memset(second.engine.memory().at({i, false, 0}), 0xFF, e.bytes);
      second.engine.restore(cut);
      auto const rest = sums_of(second.run({}, true));
      REQUIRE(second.weights(0) == whole.weights(0));
      REQUIRE(second.weights(1) == whole.weights(0));
      REQUIRE(std::equal(rest.rbegin(), rest.rend(), losses.rbegin()));
      if (key % 5 != 0) continue;
      REQUIRE_FALSE(first.run({}, true).paused);
      REQUIRE(first.weights(1) == whole.weights(0));
    }
  }
}

TEST_CASE("Weights are read from replica 0 and set in all", "[executor]") {
  piece p(1, 4, 2, 2);
  table::parameter_row const& row = p.engine.row(1, 0);
  std::vector<double> w(static_cast<std::size_t>(row.size), 0.25), back(w.size());
  p.engine.write(1, row, w.data());
  p.engine.read(1, row, back.data());
  CHECK(back == w);
  CHECK(p.weights(0) == p.weights(1));
}

TEST_CASE("What replicas cannot do is refused with a sentence", "[executor]") {
  table::run_tables other = tables_of(0, 4, 2);
  other.replicas = 2;
  CHECK_THROWS_WITH(table::check_runnable(other), Catch::Contains("with 1 replicas, because the run has 2"));
  piece p(1, 4, 2, 1);
  executor::run_request request;
  request.minibatches = 2;
  request.every_loss = true;
  request.source = source();
  request.pause = executor::run_place{0, 3};
  CHECK_THROWS_WITH(p.engine.run(request, 0), Catch::Contains("cannot give every loss of a run that is paused"));
}

namespace {

struct shared;
struct tied_net : stages<input<5>, linear<4>, foal::tanh, tied<shared, linear<4>>, foal::tanh, linear<4>, foal::tanh,
                         tied<shared, linear<4>>, foal::tanh, linear<3>> {};
using pipeline = trainer<tied_net, loss::cross_entropy, schedule::pipemare, optim::momentum, delay::discrepancy_correction,
                         warmup::synchronous, scalar<double>>;

/// Trains for 8 minibatches, the first `warm` of them without delays.
std::vector<double> trained(int replicas, int workers, long long warm, int ranks = 4) {
  test::stream const data{.samples = samples};
  pipeline t({.microbatch_size = samples,
              .microbatches = 4,
              .workers = workers,
              .ranks = ranks,
              .replicas = replicas,
              .lr = {.rate = 0.1F},
              .warmup = {.minibatches = warm}});
  CHECK(t.facts().ranks == ranks * replicas);
  t.run(data, {.minibatches = 8});
  auto const& units = t.engine().stages();
  for (std::size_t u = 4; u < units.size(); ++u)
    CHECK(std::memcmp(units[u].w, units[u % 4].w,
                      sizeof(double) * static_cast<std::size_t>(units[u].table->weight_elements)) == 0);
  return t.all_weights();
}

}  // namespace

TEST_CASE("A trainer's replicas have tied weights and a synchronous warm-up", "[executor]") {
  for (long long const warm : {3, 8})
    for (int const replicas : {2, 4}) {
      auto const one = trained(replicas, 1, warm);
      for (int const workers : {2, 3, 4 * replicas}) CHECK(trained(replicas, workers, warm) == one);
      CHECK((trained(replicas, 2, warm, 2) == one) == (warm == 8));  // fewer ranks have smaller delays
      // Without a delay the bits are those of the same minibatches, but for the order of sums.
      if (warm == 8) CHECK(distance(one, trained(1, 1, warm)) < 1e-12);
    }
}

TEST_CASE("Replicas that cannot share a minibatch are refused with a sentence", "[executor]") {
  CHECK_THROWS_WITH(pipeline({.microbatches = 4, .replicas = 3}),
                    Catch::Contains("cannot share 4 microbatches of a minibatch among 3 replicas"));
  CHECK_THROWS_WITH(pipeline({.microbatches = 4, .replicas = 0}), Catch::Contains("among 0 replicas"));
  CHECK_THROWS_WITH(pipeline({.microbatches = 4, .workers = 9, .replicas = 2}),
                    Catch::Contains("cannot run on 9 workers, because there are 8 ranks"));
}
