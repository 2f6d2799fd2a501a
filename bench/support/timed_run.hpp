// Any program on device::timed, a worker a rank, beside what the replay of it says.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <foal/device/timed.hpp>
#include <foal/executor/any_source.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/lower/lower.hpp>
#include <foal/lower/wait.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/versions.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/listed.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/engine.hpp>

#include "paired.hpp"

namespace bench {

template <int Stages>
struct small_stages : foal::stages<foal::input<1>, foal::repeat<Stages, foal::linear<1>>> {};

/// No op of device::timed reads samples.
struct no_samples {
  void inputs(long long, float*, float*) const {}
  void targets(long long, float*) const {}
};

/// Every op reads the version that a table gives: what another rule has found for the program.
struct reads_given {
  using role = foal::role::versions;
  static constexpr char const* name = "given";
  foal::schedule::version_reads reads{};
  int microbatches = 1;

  foal::schedule::version_read read(foal::schedule::version_table const&, int stage, int j) const {
    return reads.at(stage, j);
  }
};

/// A program, the versions that its ops read, and how long they take. Microbatches of a program may be fewer than those of
/// the minibatches whose times are wanted.
struct timed_program {
  foal::schedule::program program;
  foal::schedule::version_reads reads;
  foal::device::timed::times times{};

  foal::schedule::costs costs() const {
    return {.forward = times.forward_ms,
            .backward = times.backward_ms,
            .weight = times.weight_ms,
            .update = times.update_ms,
            .side_by_side = false};
  }
};

namespace detail {

/// Values that tables point to. The rate is one at which nothing diverges that computes.
template <class Loss>
struct timed_policies {
  Loss loss{};
  foal::optim::momentum momentum{};
  foal::lr::constant rate{.rate = 1e-4};
  foal::delay::none none{};
  foal::versions::flush versions{};
  foal::accumulate::each accumulate{};
  foal::warmup::none warmup{};
  foal::clip::none clip{};
  foal::initialisation::declared initial{};
};

template <class Net, class Device, class Loss, class Schedule>
foal::table::run_tables lowered(Schedule const& s) {
  static timed_policies<Loss> const p;
  return foal::lower::lower<Net, Device, float>(
      s, {foal::stage_count<Net>, foal::stage_count<Net>, 1},
      foal::lower::by_role(p.loss, p.momentum, p.rate, p.none, p.versions, p.accumulate, p.warmup, p.clip, p.initial));
}

}  // namespace detail

/// Tables of Net on Device that run `of`. Of a program whose B and W are ops of their own, stages are made for it.
template <class Net, class Device, class Loss = foal::loss::mean_squared_error>
foal::table::run_tables tables_of(timed_program const& of) {
  using namespace foal;
  schedule::program program = of.program;
  bool const split = lower::detail::splits_weight_gradient(program.view());
  table::run_tables t = split ? detail::lowered<Net, Device, Loss>(schedule::zb_h1{})
                              : detail::lowered<Net, Device, Loss>(schedule::one_f_one_b{});
  table::check_runnable(program.view(), "this program");
  t.ranks = program.size().ranks;
  t.segments = program.size().segments;  // no op looks at what it waits for
  t.replicas = program.size().replicas;
  t.rank_of = schedule::ranks_of(program.view());
  t.phases.clear();
  t.phases.push_back(lower::detail::make_phase("timed", std::move(program), reads_given{of.reads}));
  return t;
}

/// When the first unit of stage 0 finished its updates.
struct update_times {
  std::vector<double> at{};
  foal::executor::observer watch() {
    return {this, [](void* self, foal::executor::bound_stage const& b) {
              if (b.unit == 0) static_cast<update_times*>(self)->at.push_back(now_seconds() * 1e3);
            }};
  }
};

/// Milliseconds from an update of stage 0 to that so many microbatches later, one after the other.
inline std::vector<double> windows(std::vector<double> const& ends, int updates) {
  std::vector<double> all;
  auto const step = static_cast<std::size_t>(updates);
  for (std::size_t i = 2 * step - 1; i < ends.size(); i += step) all.push_back(ends[i] - ends[i - step]);
  return all;
}

struct timed_result {
  std::vector<double> measured, predicted;  ///< milliseconds of a minibatch, in their order; the first of a run left out

  spread ratio() const { return ratio_of(measured, predicted); }
};

/// Updates of the first unit of stage 0 in a minibatch of the program.
inline int updates_of(foal::schedule::program program) {
  foal::schedule::program_view const v = program.view();
  int updates = 0;
  for (foal::schedule::op const& o : v.ops)
    updates += o.kind == foal::schedule::op_kind::U && foal::schedule::unit_of(v.size, o.stage, o.replica) == 0 ? 1 : 0;
  return updates;
}

/// Windows of the replay, for minibatches of so many microbatches.
inline std::vector<double> predicted(foal::schedule::program p, foal::schedule::costs const& costs, int microbatches,
                                     int minibatches) {
  using namespace foal::schedule;
  program_view const v = p.view();
  int const times = microbatches / v.size.microbatches;
  timing const t = replay(v, costs, minibatches * times);
  std::vector<double> ends;
  for (auto const& events : t.events)
    for (event const& e : events)
      if (e.what.kind == op_kind::U && unit_of(v.size, e.what.stage, e.what.replica) == 0) ends.push_back(e.end);
  std::sort(ends.begin(), ends.end());
  return windows(ends, times * updates_of(p));
}

/// Trains so many minibatches, one more than are measured.
template <class Net>
timed_result run_timed(timed_program const& of, int microbatches, int minibatches) {
  using namespace foal;
  table::run_tables t = tables_of<Net, device::timed>(of);
  lower::let_wait<device::timed>(t, of.times);
  int const n = of.program.size().microbatches, times = microbatches / n;
  std::vector<int> workers;
  for (int r = 0; r < t.ranks; ++r) workers.push_back(r);
  executor::engine engine(t, {1, n, t.ranks, 1, false, 64, false}, executor::driver_of<executor::threads>(), workers);
  executor::run_request request;
  request.minibatches = static_cast<long long>(minibatches) * times;
  no_samples const data;
  request.source = executor::source_of<float, float>(data);
  update_times updates;
  updates.at.reserve(static_cast<std::size_t>(request.minibatches * n));
  request.watch = updates.watch();
  engine.run(request, 0);
  timed_result r;
  r.measured = windows(updates.at, times * updates_of(of.program));
  r.predicted = predicted(of.program, of.costs(), microbatches, minibatches);
  return r;
}

}  // namespace bench
