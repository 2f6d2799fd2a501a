// Runs of a choice in one piece or several: paused before any of their ops, gone on with, and cut.
#pragma once

#include <foal/executor/cut.hpp>
#include <foal/schedule/rules/amdp.hpp>
#include <foal/schedule/rules/cyclic.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/interleaved_zb.hpp>
#include <foal/schedule/rules/lag_bounded.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/wpipe.hpp>
#include <foal/schedule/rules/zb_h1.hpp>

#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <set>

#include "tests/executor/support.hpp"
#include "tests/support/schedules.hpp"

namespace foal::test {

/// One case: a choice, on a program of its own where that has ops.
struct pausing {
  choice what;
  schedule::program own{};
  long long minibatches = 4;
  long long evaluate_every = 0;
};

/// What a run, in one piece or several, has left.
struct outcome {
  std::vector<std::byte> state;
  std::vector<double> losses, evaluations;
  double last_sum = 0;
  bool operator==(outcome const&) const = default;
};

/// One engine with its tables and data.
template <class Device = device::host>
class piece {
 public:
  piece(pausing const& of, int workers, std::uint64_t seed = 5, recording record = recording::never)
      : piece(
            of, workers, seed, driver(workers > 1), [workers](int ranks) { return shares(ranks, workers); }, record) {}
  /// spread(ranks): the workers of the ranks.
  template <class Spread>
  piece(pausing const& of, int workers, std::uint64_t seed, executor::driver by, Spread const& spread,
        recording record = recording::never)
      : of_(of),
        data_(data_of(of.what, bit_samples)),
        tables_(tables_of<Device>(of.what, of.own)),
        engine_(tables_, {bit_samples, of.what.n, workers, seed, of.evaluate_every > 0, 2, false, {}, {}, record}, by,
                spread(tables_.ranks)) {}

  /// Gives whether it paused.
  bool run(outcome& to, std::optional<executor::run_place> pause, bool resumes = false) {
    executor::run_request request;
    request.minibatches = of_.minibatches;
    request.every_loss = tables_.replicas == 1;  // else the microbatches before a pause are not the first ones
    request.loss_every = 2;
    request.source = source_of(data_);
    request.pause = pause;
    request.cuts = cuts;
    if (of_.evaluate_every > 0) {
      request.evaluate_every = of_.evaluate_every;
      request.evaluation.self = &data_;
      request.evaluation.samples = 4;
      request.evaluation.inputs = [](void const*, long long first, int n, int, lengths_of_axes, void* x) {
        for (int i = 0; i < n * 72; ++i) static_cast<float*>(x)[i % (n * 5)] = static_cast<float>((first + i) % 7) * 0.1F;
      };
      request.evaluation.targets = [](void const*, long long first, int n, lengths_of_axes, void* t) {
        for (int i = 0; i < n; ++i) static_cast<std::int32_t*>(t)[i] = static_cast<std::int32_t>((first + i) % 2);
      };
    }
    if (also) also(request);
    long long const warmup = of_.what.t3 ? 2 : 0;
    executor::run_result const r = resumes ? engine_.resume(request) : engine_.run(request, warmup);
    if (r.diverged) throw error(r.diverged->text());
    periods += r.periods;
    not_recorded = r.not_recorded;
    for (auto const& l : r.losses) to.losses.push_back(l.sum);
    if (tables_.replicas > 1)
      for (auto const& l : r.sums) to.last_sum = l.sum;  // of the run's last stretch, by whichever piece completes it
    for (auto const& e : r.evaluations) to.evaluations.push_back(e.loss);
    to.state = state_of(tables_, engine_.stages());
    return r.paused;
  }
  /// Everything in memory becomes NaN, but for what libraries keep.
  void scribble() {
    auto const& plan = engine_.memory().plan();
    for (std::size_t i = 0; i < plan.entries().size(); ++i)
      if (plan[i].what != "library workspace") std::memset(engine_.memory().at({i, false, 0}), 0xFF, plan[i].bytes);
  }
  executor::run_cuts cuts{};
  executor::period_counts periods{};  ///< of all runs
  std::string not_recorded{};         ///< of the last one
  executor::engine& engine() { return engine_; }
  table::run_tables const& tables() const { return tables_; }
  stream& data() { return data_; }

  std::function<void(executor::run_request&)> also{};  ///< asks for more

 private:
  pausing const& of_;
  stream data_;
  table::run_tables tables_;
  executor::engine engine_;
};

/// Every place before an op, phase after phase.
inline std::vector<executor::run_place> places_of(pausing const& of) {
  table::run_tables const t = tables_of(of.what, of.own);
  std::vector<executor::run_place> all;
  for (std::size_t i = 0; i < t.phases.size(); ++i) {
    schedule::program program = t.phases[i].program;
    schedule::program_view const view = program.view();
    executor::op_order const order(view);
    bool const first = i + 1 < t.phases.size();
    long long const minibatches = first ? 2 : of.minibatches - (t.phases.size() > 1 ? 2 : 0);
    std::set<long long> keys;
    for (long long p = 0; p < minibatches + t.phases[i].facts.periods_after; ++p)
      for (int r = 0; r < view.size.ranks; ++r)
        for (schedule::op const& o : view.rank(r)) {
          long long const m = p * view.size.microbatches + o.microbatch;
          if (m >= 0 && m < minibatches * view.size.microbatches) keys.insert(order.key(p, o, r));
        }
    for (long long const k : keys) all.push_back({static_cast<int>(i), k});
  }
  return all;
}

inline outcome in_one_piece(pausing const& of) {
  outcome all;
  REQUIRE_FALSE(piece<>(of, 1).run(all, {}));
  return all;
}

inline std::vector<pausing> pausing_cases() {
  schedule::extent const four{4, 4, 2}, nine{9, 9, 2}, one{4, 1, 2};
  std::vector<pausing> all;
  for (int schedule = 1; schedule <= 4; ++schedule) {
    bool const asynchronous = schedule >= 3;
    all.push_back({{4, schedule, false, asynchronous ? 1 : 0, 3, 2}});
    all.push_back({{6, schedule, false, asynchronous ? 1 : 0, 1, 2}});
    all.push_back({{9, schedule, false, asynchronous ? 1 : 0, 3, 2, 3}});
    if (asynchronous) all.push_back({{4, schedule, true, 0, 3, 2}});
    if (asynchronous) all.push_back({{6, schedule, true, 0, 1, 2}});
  }
  all.push_back({{9, 4, false, 3, 1, 2, 0, false, true}, {}, 3});
  all.push_back({{4, 4, false, 1, 4, 3, 0, true}, {}, 6});
  choice two_versions{4, 3, false, 0, 3, 3, 0, true}, synchronised{6, 4, false, 0, 1, 2}, injected{9, 3, false, 3, 3, 2};
  two_versions.rule = 1;
  synchronised.rule = 2;
  injected.rule = 3;
  for (choice const& c : {two_versions, synchronised, injected}) all.push_back({c, {}, c.net == 9 ? 3 : 5});
  all.push_back({{4, 0, false, 0, 3, 2}, schedule::generate(schedule::injected{.delays = {5, 3, 2}}, four)});
  all.push_back({{4, 4, false, 1, 3, 2}, {}, 8, 4});
  all.push_back({{4, 3, false, 1, 3, 2, 2}, {}, 8, 4});
  all.push_back({{4, 1, false, 0, 3, 2}, {}, 4, 1});
  all.push_back({{4, 0, false, 0, 3, 2, 1}, schedule::generate(schedule::injected{.delays = {5, 3, 2}}, one)});
  all.push_back({{9, 4, false, 1, 3, 2}, schedule::generate(schedule::recomputed<schedule::pipemare>{}, nine), 3});
  all.push_back(
      {{9, 3, false, 1, 1, 2}, schedule::generate(schedule::recomputed<schedule::async_1f1b>{.segment = 4}, nine), 3});
  all.push_back({{9, 1, false, 0, 1, 2}, schedule::generate(schedule::recomputed<schedule::gpipe>{}, nine), 2});
  all.push_back({{4, 2, false, 0, 3, 2}, schedule::generate(schedule::zb_h1{}, four)});
  all.push_back({{4, 2, false, 0, 3, 2}, schedule::generate(schedule::two_bp{}, four)});
  all.push_back({{4, 4, false, 1, 3, 2, 0, false, false, true}});
  all.push_back({{9, 1, false, 0, 1, 2, 3, false, false, true}, {}, 2});
  all.push_back(
      {{9, 1, false, 0, 1, 2, 0, false, true}, schedule::with_global_norm(schedule::generate(schedule::gpipe{}, nine)), 2});
  schedule::extent const looped{.stages = 4, .ranks = 2, .microbatches = 2, .placed = schedule::loop},
      vee{.stages = 4, .ranks = 2, .microbatches = 2, .placed = schedule::vee};
  all.push_back({{4, 1, false, 0, 1, 2, 2}, schedule::generate(interleaved{}, looped), 3});
  // Units of a rank share slots for what they save.
  all.push_back({{.net = 4, .optimizer = 1, .n = 4, .ranks = 2},
                 schedule::generate(schedule::interleaved_zb{}, schedule::extent_of(schedule::interleaved_zb{}, 4, 2, 4)),
                 2});
  all.push_back({{4, 3, true, 0, 3, 2, 2},
                 schedule::generate(schedule::folded<schedule::async_1f1b>{.placed = schedule::vee}, vee),
                 4});
  all.push_back({{4, 3, false, 1, 3, 4}, schedule::generate(schedule::paci{.every = 2}, {4, 4, 4}), 3});
  all.push_back({{4, 3, true, 0, 1, 4}, schedule::generate(schedule::paci{.every = 2}, {4, 4, 4}), 4, 2});
  for (int n : {3, 4})  // uneven shares and even ones
    all.push_back({{4, 0, false, 0, 3, n}, schedule::generate(two_way{}, both_ways(4, 4, n)), 3});
  all.push_back({{9, 0, false, 0, 1, 2, 3}, schedule::generate(two_way{}, both_ways(9, 3, 2)), 2});
  all.push_back({{4, 0, false, 0, 3, 2}, schedule::generate(two_way{}, both_ways(4, 4, 2)), 4, 2});
  all.push_back({{4, 0, false, 0, 3, 4, 0, false, false, true}, schedule::generate(two_way{}, both_ways(4, 4)), 2});
  all.push_back({{4, 0, false, 0, 3, 4, 0, false, true},
                 schedule::with_global_norm(schedule::generate(two_way{}, both_ways(4, 4))),
                 2});
  all.push_back({{4, 3, false, 1, 1, 4}, schedule::generate(two_way_live{}, both_ways(4, 4)), 3});
  all.push_back({{4, 3, true, 0, 3, 3}, schedule::generate(two_way_live{}, both_ways(4, 4, 3)), 3});
  // By list: net, its own schedule's kind (3: without a flush), stash, T2.
  auto const add = [&](auto const& g, int ranks, int n, bool stash, int delay, int minibatches) {
    choice const c{.schedule = 3, .stash = stash, .delay = delay, .optimizer = 3, .n = n, .ranks = ranks < 4 ? ranks : 0};
    all.push_back({c, schedule::generate(g, schedule::extent_of(g, 4, ranks, n)), minibatches});
  };
  add(schedule::wpipe{}, 2, 2, true, 0, 4);
  add(schedule::lag_bounded{.lag = 2}, 4, 2, false, 1, 4);
  add(schedule::cyclic{}, 2, 3, true, 0, 3);
  add(schedule::amdp{}, 4, 4, false, 1, 3);
  return all;
}

}  // namespace foal::test
