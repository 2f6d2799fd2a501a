// What replicas exchange: each policy equals a plain loop, with the same bits on any number of workers and after a cut.
#include <foal/device/host.hpp>
#include <foal/executor/any_source.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/lower/lower.hpp>
#include <foal/lower/replica.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/replica/averaged.hpp>
#include <foal/policy/replica/delayed.hpp>
#include <foal/policy/replica/local.hpp>
#include <foal/policy/replica/sharded.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer/engine.hpp>

#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <set>

#include "tests/support/nets.hpp"
#include "tests/support/replica_loop.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using net = test::mlp<4>;
using test::numbers;

constexpr int samples = 2, share = 2;

/// One of several schedules, by a number, so that the net is lowered once.
struct any_schedule {
  static constexpr char const* name = "any_schedule";
  static constexpr bool asynchronous = false;
  int which = 0;  ///< sequential, one_f_one_b, pipemare

  template <class Sink>
  void emit(schedule::extent, Sink&) const {}
  schedule::program build(schedule::extent e) const {
    if (which == 1) return schedule::generate(schedule::one_f_one_b{}, e);
    return which == 2 ? schedule::generate(schedule::pipemare{}, e) : schedule::generate(schedule::sequential{}, e);
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
  clip::none clip{};
  initialisation::declared initial{};
};

table::run_tables plain_tables(int which, int ranks, int n, int replicas = 1) {
  static values const p;
  any_schedule const g{which};
  return lower::lower<net, device::host, double>(
      g, schedule::extent_of(g, 4, ranks, n),
      lower::by_role(p.loss, p.optimizer, p.rate, p.delay, p.versions, p.accumulate, p.warmup, p.clip, p.initial), replicas);
}

constexpr int kinds = 5, every = 3;
replica::summed const summed;
replica::delayed const late;
replica::sharded const sharded;
replica::averaged const averaged{.alpha = 0.3};
replica::local const local{.every = every, .rate = 0.7, .momentum = 0.9};

table::run_tables tables_of(int kind, int which, int ranks, int replicas) {
  table::run_tables t = plain_tables(which, ranks, share, replicas);
  if (kind == 0) lower::exchange<replica::summed, double>(t, summed, replicas);
  if (kind == 1) lower::exchange<replica::delayed, double>(t, late, replicas);
  if (kind == 2) lower::exchange<replica::averaged, double>(t, averaged, replicas);
  if (kind == 4) lower::exchange<replica::sharded, double>(t, sharded, replicas);
  if (kind == 3) lower::exchange<replica::local, double>(t, local, replicas);
  return t;
}

table::source_functions source() {
  static test::stream const data{.samples = samples};
  return executor::source_of<double, std::int32_t>(data);
}

table::run_values values_of(int n, int workers) { return {samples, n, workers, 5, false, 64, false}; }

std::vector<int> spread(int ranks, int workers) {
  std::vector<int> of;
  for (int r = 0; r < ranks; ++r) of.push_back(r * workers / ranks);
  return of;
}

/// A run of its own tables.
struct piece {
  table::run_tables tables;
  executor::engine engine;

  piece(table::run_tables of, int n, int workers)
      : tables(std::move(of)),
        engine(tables, values_of(n, workers),
               workers > 1 ? executor::driver_of<executor::threads>() : executor::driver_of<executor::single_thread>(),
               spread(tables.ranks, workers)) {}

  executor::run_result run(long long minibatches, std::optional<executor::run_place> pause = {}, bool resumes = false) {
    executor::run_request request;
    request.minibatches = minibatches;
    request.source = source();
    request.pause = pause;
    executor::run_result r = resumes ? engine.resume(request) : engine.run(request, 0);
    if (r.diverged) throw error(r.diverged->text());
    return r;
  }
  numbers weights(int replica) const {
    numbers all;
    for (executor::bound_stage const& b : engine.stages()) {
      if (b.replica != replica) continue;
      auto const* const w = reinterpret_cast<double const*>(b.w);
      all.insert(all.end(), w, w + b.table->weight_elements);
    }
    return all;
  }
};

/// Gradients of a replica's microbatches at given weights.
class gradients {
 public:
  explicit gradients(int replicas)
      : t_(plain_tables(0, 1, share * replicas)),
        v_(values_of(share * replicas, 1)),
        memory_(t_, v_, {0}),
        ops_(t_, v_, source(), memory_.host_targets()) {
    memory_.reset_phase(t_.phases.front());
  }
  numbers mean(numbers const& w, int k, int replica) {
    auto& stages = memory_.stages();
    std::size_t at = 0;
    for (executor::bound_stage& b : stages) {
      auto const n = static_cast<std::size_t>(b.table->weight_elements);
      std::memcpy(b.w, w.data() + at, sizeof(double) * n);
      at += n;
    }
    for (int j = 0; j < share; ++j) {
      executor::position const p{next_++, k * v_.microbatches + replica * share + j};
      for (executor::bound_stage& b : stages) ops_.forward(b, p);
      for (std::size_t s = stages.size(); s-- > 0;) ops_.backward(stages[s], p, true);
    }
    numbers all;
    for (executor::bound_stage& b : stages) {
      auto* const g = reinterpret_cast<double*>(b.g);
      auto const n = static_cast<std::size_t>(b.table->weight_elements);
      for (std::size_t i = 0; i < n; ++i) all.push_back(g[i] / share), g[i] = 0;
    }
    return all;
  }

 private:
  table::run_tables t_;
  table::run_values v_;
  executor::run_memory memory_;
  executor::stage_ops ops_;
  std::uint32_t next_ = 0;
};

/// From minibatch `from` to `to` of one run.
void loop(test::replica_loop& all, gradients& of, int kind, int from, int to) {
  std::fill(all.late.begin(), all.late.end(), 0.0);
  for (int k = from; k < to; ++k) {
    std::vector<numbers> g;
    for (std::size_t i = 0; i < all.w.size(); ++i) g.push_back(of.mean(all.w[i], k, static_cast<int>(i)));
    if (kind == 0 || kind == 4) all.summed(g);
    if (kind == 1) all.delayed(g);
    if (kind == 2) all.averaged(g, averaged.alpha, k);
    if (kind == 3) all.local(g, k, every, local.rate, local.momentum);
  }
}

double distance(numbers const& a, numbers const& b) {
  double off = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && off < 1; ++i) off = std::max(off, std::abs(a[i] - b[i]));
  return off;
}

}  // namespace

TEST_CASE("What replicas exchange equals a plain loop, in one run and in two", "[policy]") {
  foal_test::turns turns(4);
  for (int const replicas : {2, 3}) {
    gradients of(replicas);
    for (int kind = 0; kind < kinds; ++kind) {
      INFO("policy " << kind << "  replicas " << replicas);
      piece first(tables_of(kind, 1, 3, replicas), share * replicas, 1);
      test::replica_loop all(replicas, first.weights(0));
      first.run(8);
      loop(all, of, kind, 0, 8);
      for (int i = 0; i < replicas; ++i) CHECK(distance(first.weights(i), all.w[static_cast<std::size_t>(i)]) < 1e-12);
      first.run(5);
      loop(all, of, kind, 8, 13);
      for (int i = 0; i < replicas; ++i) CHECK(distance(first.weights(i), all.w[static_cast<std::size_t>(i)]) < 1e-12);
      CHECK((first.weights(0) == first.weights(1)) == (kind < 2 || kind == 4));
      for (int workers = 2; workers <= 3 * replicas; ++workers) {
        if (!turns.take()) continue;
        piece again(tables_of(kind, 1, 3, replicas), share * replicas, workers);
        again.run(8);
        again.run(5);
        for (int i = 0; i < replicas; ++i) CHECK(again.weights(i) == first.weights(i));
      }
    }
  }
}

TEST_CASE("What replicas exchange has the same bits after a cut anywhere, without a flush", "[policy]") {
  int const replicas = 2, ranks = 2, n = share * replicas, minibatches = 7;
  for (int kind = 1; kind < kinds; ++kind) {
    piece whole(tables_of(kind, 2, ranks, replicas), n, 1);
    whole.run(minibatches);
    schedule::program program = whole.tables.phases.back().program;
    schedule::program_view const view = program.view();
    executor::op_order const order(view);
    std::set<long long> keys;
    for (long long p = 0; p < minibatches + 2; ++p)
      for (int r = 0; r < view.size.ranks; ++r)
        for (schedule::op const& o : view.rank(r))
          if (p * n + o.microbatch >= 0 && p * n + o.microbatch < minibatches * n) keys.insert(order.key(p, o, r));
    int turn = 0;
    for (long long const key : keys) {
      int const from = 1 + turn % 4, to = 1 + turn / 3 % 4;
      if (++turn % foal_test::repeats(5, 29) != 0) continue;
      INFO("policy " << kind << "  key " << key << "  workers " << from << " then " << to);
      piece first(tables_of(kind, 2, ranks, replicas), n, from), second(tables_of(kind, 2, ranks, replicas), n, to);
      REQUIRE(first.run(minibatches, executor::run_place{0, key}).paused);
      executor::run_cut const cut = first.engine.cut();
      for (std::size_t i = 0; i < second.engine.memory().plan().entries().size(); ++i)
        if (auto const& e = second.engine.memory().plan()[i]; e.what != "library workspace")
          std::memset(second.engine.memory().at({i, false, 0}), 0xFF, e.bytes);
      second.engine.restore(cut);
      second.run(minibatches, {}, true);
      for (int i = 0; i < replicas; ++i) REQUIRE(second.weights(i) == whole.weights(i));
      if (turn % 2 != 0) continue;
      first.run(minibatches, {}, true);
      for (int i = 0; i < replicas; ++i) REQUIRE(first.weights(i) == whole.weights(i));
    }
  }
}

TEST_CASE("Replicas that begin with the weights of another run have their reference there", "[policy]") {
  for (int kind = 2; kind < kinds; ++kind) {
    INFO("policy " << kind);
    piece from(tables_of(0, 1, 3, 2), share * 2, 1), set(tables_of(kind, 1, 3, 2), share * 2, 1),
        begun(tables_of(kind, 1, 3, 2), share * 2, 2);
    from.run(4);
    std::vector<executor::saved_array> arrays;
    for (executor::bound_stage const& b : from.engine.stages()) {
      if (b.replica != 0) continue;
      std::size_t const bytes = sizeof(double) * static_cast<std::size_t>(b.table->weight_elements);
      arrays.push_back({{b.number, executor::array_purpose::weights, 0}, {{-1, {b.w, b.w + bytes}}}});
      for (table::parameter_row const& p : b.table->parameters)
        set.engine.write(b.number, p, b.w + sizeof(double) * static_cast<std::size_t>(p.offset));
    }
    begun.engine.begin_at(0, 0, arrays);
    set.run(5);
    begun.run(5);
    for (int i : {0, 1}) CHECK(begun.weights(i) == set.weights(i));
  }
}

TEST_CASE("A sum that is late is one update longer in every delay", "[policy]") {
  auto const now = tables_of(0, 2, 4, 2), later = tables_of(1, 2, 4, 2);
  for (std::size_t s = 0; s < 4; ++s) {
    CHECK(later.phases[0].facts.stage[s].tau_fwd == now.phases[0].facts.stage[s].tau_fwd + 1);
    CHECK(later.phases[0].facts.stage[s].tau_bkwd == now.phases[0].facts.stage[s].tau_bkwd + 1);
  }
}

TEST_CASE("What replicas cannot exchange is refused with a sentence", "[policy]") {
  table::run_tables t = plain_tables(0, 1, 2);
  CHECK_THROWS_WITH((lower::exchange<replica::delayed, double>(t, late, 1)),
                    Catch::Contains("cannot exchange by replica::delayed among 1 replica"));
  t = plain_tables(0, 1, 2, 2);
  t.clip.over = clip::scope::model;
  CHECK_THROWS_WITH((lower::exchange<replica::local, double>(t, local, 2)), Catch::Contains("use clip::per_stage"));
  t.clip = {};
  t.device.host_memory = false;
  CHECK_THROWS_WITH((lower::exchange<replica::averaged, double>(t, averaged, 2)), Catch::Contains("merged on the host"));
  auto const shards = [](auto change) {
    table::run_tables all = plain_tables(0, 1, 2, 2);
    change(all);
    lower::exchange<replica::sharded, double>(all, sharded, 2);
  };
  CHECK_THROWS_WITH(shards([](table::run_tables& x) { x.policies.optimizer[0].whole = true; }),
                    Catch::StartsWith("cannot share out the states of an optimizer among replicas, because ") &&
                        Catch::Contains("takes a parameter as a whole"));
  CHECK_THROWS_WITH(shards([](table::run_tables& x) { x.policies.optimizers = 2; }),
                    Catch::Contains("chooses among several"));
  CHECK_THROWS_WITH(shards([](table::run_tables& x) { x.clip.scale = [](void const*, double) { return 1.0; }; }),
                    Catch::Contains("leave clipping out; or use replica::summed"));
  CHECK_THROWS_WITH(shards([](table::run_tables& x) { x.compensates = true; }), Catch::Contains("more of an update than"));
  CHECK_THROWS_WITH(replica::local{.every = 0}.check(), Catch::Contains("every"));
  CHECK_THROWS_WITH(replica::averaged{.alpha = 2}.check(), Catch::Contains("alpha"));
}
