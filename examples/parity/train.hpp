// Trains one network of parity with the method asked for: one trainer type for each structure, numbers as values.
#pragma once

#include <limits>

#include <foal/data/memory.hpp>
#include <foal/executor/as_launched.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "../options/processes.hpp"
#include "problem.hpp"

namespace parity {

struct net3 : foal::stages<foal::input<64>, foal::repeat<2, foal::linear<32>, foal::tanh>, foal::linear<10>> {};
struct net7 : foal::stages<foal::input<20>, foal::repeat<6, foal::linear<24>, foal::tanh>, foal::linear<10>> {};

/// A constant rate, with T1 over it when that is asked for at run time: half as many trainer types to compile.
struct maybe_rescheduled {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "constant, or T1 over it";
  bool on = false;
  foal::lr::reschedule<foal::lr::constant> t1{};

  double at(foal::lr::moment m) const { return on ? t1.at(m) : t1.base.at(m); }
  template <class F>
  constexpr void numbers(F&& f) const {
    f("on", on);
    f("T1", t1);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("T1", t1);
  }
};

/// The rules under which B reads what its F read, chosen at run time for the same reason.
struct chosen_versions {
  using role = foal::role::versions;
  static constexpr char const* name = "stash, two versions, or vertical sync";
  method which = method::pipedream;

  constexpr foal::schedule::version_read read(foal::schedule::version_table const& there, int stage, int j) const {
    if (which == method::two_bw) return foal::versions::double_buffered::read(there, stage, j);
    if (which == method::vertical_sync) return foal::versions::vertical_sync::read(there, stage, j);
    return foal::versions::stash::read(there, stage, j);
  }
  template <class F>
  constexpr void numbers(F&& f) const {
    f("which", static_cast<int>(which));
  }
  std::string explain(foal::schedule::version_verdict const& bad, foal::schedule::version_table const& there) const {
    return which == method::two_bw ? foal::versions::double_buffered::explain(bad, there) : foal::schedule::text(bad);
  }
};

/// Copies what the run's observer is shown. Stages write disjoint elements, so workers need no lock.
template <class S>
struct recorder {
  record<S> to;
  int stages = 0;
  std::vector<long long> begin;  ///< of each stage, in a row of weights

  void weights(foal::executor::bound_stage const& stage) {
    S* out = to.weights.data() + stage.updates * to.parameters + begin[static_cast<std::size_t>(stage.number)];
    for (auto const& p : stage.table->parameters) {
      S const* const from = reinterpret_cast<S const*>(stage.w) + p.offset;
      out = std::copy(from, from + p.size, out);
    }
  }
  void versions(int stage, long long microbatch, long long forward, long long backward) {
    auto const at = static_cast<std::size_t>((microbatch * stages + stage) * 2);
    to.versions[at] = static_cast<std::int32_t>(forward);
    to.versions[at + 1] = static_cast<std::int32_t>(backward);
  }
  foal::executor::observer observe() {
    return {this, [](void* self, foal::executor::bound_stage const& s) { static_cast<recorder*>(self)->weights(s); },
            [](void* self, int stage, long long m, long long f, long long b) {
              static_cast<recorder*>(self)->versions(stage, m, f, b);
            }};
  }
};

template <class Net, class S, class Schedule, class... Policies>
record<S> train_as(problem const& p, Schedule schedule) {
  using trainer = foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::scalar<S>, foal::optim::momentum,
                                foal::executor::as_launched, Policies...>;
  typename trainer::config c;
  c.microbatch_size = p.microbatch_size;
  c.microbatches = p.microbatches;
  c.workers = p.workers;
  c.optim.momentum = p.momentum;
  c.schedule = std::move(schedule);
  c.evaluation = false;
  if constexpr (Schedule::asynchronous) {
    c.lr = {.on = p.t1, .t1 = {.base = {.rate = p.rate}, .steps = p.t1_steps, .floor = p.t1_floor}};
    c.warmup.minibatches = p.warmup;
  } else {
    c.lr.rate = p.rate;
  }
  if constexpr (requires { c.versions.which; }) c.versions.which = p.method;
  if constexpr (requires { c.delay.decay; }) c.delay = {.decay = p.t2_decay, .exact = p.exact};
  trainer t(std::move(c));
  std::vector<S> initial;
  for (int s = 0; s < trainer::stages; ++s) {
    auto const& w = p.weight[static_cast<std::size_t>(s)];
    auto const& b = p.bias[static_cast<std::size_t>(s)];
    t.set_weights(s, 0, std::vector<S>(w.begin(), w.end()));
    t.set_weights(s, 1, std::vector<S>(b.begin(), b.end()));
    for (auto const* const x : {&w, &b})
      for (double const v : *x) initial.push_back(static_cast<S>(v));
  }

  foal::data::memory<double, std::int32_t> const samples(Net::description.input, p.x, p.y);
  foal::data::batches const batches(samples, {p.microbatch_size, p.microbatches, /*seed=*/0, foal::data::ordering::cyclic});
  recorder<S> watch;
  auto const microbatches = static_cast<std::size_t>(p.minibatches * p.microbatches);
  constexpr S unknown = std::numeric_limits<S>::quiet_NaN();
  watch.stages = trainer::stages;
  watch.to.parameters = trainer::parameters;
  for (int s = 0; s < trainer::stages; ++s)
    watch.begin.push_back(s == 0 ? 0 : watch.begin.back() + foal::parameter_count<Net>(s - 1));
  watch.to.weights.assign(static_cast<std::size_t>((p.minibatches + 1) * trainer::parameters), unknown);
  watch.to.versions.assign(microbatches * trainer::stages * 2, -1);
  std::copy(initial.begin(), initial.end(), watch.to.weights.begin());

  auto const result = t.run(batches, {.minibatches = p.minibatches, .watch = watch.observe(), .every_loss = true});
  constexpr double no_loss = std::numeric_limits<double>::quiet_NaN();
  watch.to.loss.assign(microbatches, no_loss);
  for (std::size_t m = 0; m < result.losses.size(); ++m)
    if (auto const& loss = result.losses[m]; loss.weight > 0) watch.to.loss[m] = loss.sum / loss.weight;
  options::processes::fill_in(watch.to.weights, unknown);
  options::processes::fill_in(watch.to.versions, -1);
  options::processes::fill_in(watch.to.loss, no_loss);
  if (result.diverged) watch.to.divergence = result.diverged->text();
  return std::move(watch.to);
}

template <class Net, class S, class Schedule>
record<S> train_asynchronous(problem const& p, Schedule schedule = {}) {
  using namespace foal;
  using warm = warmup::synchronous;
  if (p.method != method::pipemare)
    return train_as<Net, S, Schedule, maybe_rescheduled, warm, chosen_versions>(p, std::move(schedule));
  if (p.t2)
    return train_as<Net, S, Schedule, maybe_rescheduled, warm, delay::discrepancy_correction>(p, std::move(schedule));
  return train_as<Net, S, Schedule, maybe_rescheduled, warm>(p, std::move(schedule));
}

template <class Net, class S>
record<S> train(problem const& p) {
  using namespace foal;
  if (p.method == method::gpipe) return train_as<Net, S, schedule::gpipe, lr::constant>(p, {});
  if (p.timing == timing::async_1f1b) return train_asynchronous<Net, S, schedule::async_1f1b>(p);
  if (p.timing == timing::injected) return train_asynchronous<Net, S, schedule::injected>(p, {p.delays});
  return train_asynchronous<Net, S, schedule::pipemare>(p);
}

}  // namespace parity
