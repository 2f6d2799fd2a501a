// Runs put together from run-time choices: a few nets lowered once, any schedule, versions, delay policy and optimizer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <foal/device/host.hpp>
#include <foal/executor/any_source.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/lower/lower.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer/engine.hpp>

#include "tests/support/nets.hpp"

namespace foal::test {

/// Nine stages with batch norm, convolution, dropout, and two skips that cross ranks, one of them with a projection.
struct mixed
    : stages<input<2, 6, 6>, conv<3, 3>, batch_norm, relu, residual<conv<3, 3>, batch_norm, relu, dropout<25>, conv<3, 3>>,
             relu, residual<shortcut<conv<4, 1>>, conv<4, 3>, dropout<10>>, flatten, linear<8>, tanh, linear<mlp_classes>> {
};

struct twin;
/// Six stages with batch norm and dropout, and a layer that three of them share.
struct tied_net
    : stages<input<mlp_inputs>, linear<4>, foal::tanh, tied<twin, linear<4>>, batch_norm, foal::tanh, linear<4>, dropout<25>,
             tied<twin, linear<4>>, foal::tanh, linear<4>, tied<twin, linear<4>>, foal::tanh, linear<mlp_classes>> {};

/// A delay policy that changes the gradient and predicts the weights of F: everything that T2 does not use.
struct damping {
  using role = foal::role::delay;
  static constexpr char const* name = "damping";
  static constexpr int states = 1;
  static constexpr delay::scope states_of = delay::scope::all;

  template <class S>
  struct predict {
    S ahead;
    S operator()(S w, S const& change) const { return w + ahead * change; }
  };
  template <class S>
  predict<S> forward_weight(delay::moment m) const {
    return {static_cast<S>(0.25 * m.tau_fwd)};
  }
  template <class S>
  struct lean {
    S operator()(S g, S w, S const& change) const { return g + S(0.01) * w - S(0.1) * change; }
  };
  template <class S>
  lean<S> gradient(delay::moment) const {
    return {};
  }
  template <class S>
  struct follow {
    void operator()(S before, S after, S& change) const { change = S(0.5) * change + S(0.5) * (after - before); }
  };
  template <class S>
  follow<S> after_update(delay::moment) const {
    return {};
  }
};

/// A choice of everything. Every member has few values, so that cases can cover all pairs.
struct choice {
  int net = 4;       ///< stages: 4 (linear), 6 (tied), 9 (mixed)
  int schedule = 0;  ///< sequential, gpipe, one_f_one_b, async_1f1b, pipemare
  bool stash = false;
  int delay = 0;      ///< none, T2, damping, both in a chain, T2 in a chain with none
  int optimizer = 0;  ///< sgd, momentum, nesterov, adam, adamw
  int n = 2;
  int ranks = 0;  ///< 0: one per stage
  bool t3 = false, clip = false, thick = false;
  int rule = 0;  ///< of versions: live or stash, double_buffered, vertical_sync, injected, flush

  bool asynchronous() const { return schedule >= 3; }
  std::string text() const {
    return sentence("net ", net, " schedule ", schedule, " stash ", stash, " delay ", delay, " optimizer ", optimizer, " N ",
                    n, " ranks ", ranks, " T3 ", t3, " clip ", clip, " thick ", thick, " rule ", rule);
  }
};

static_assert(stage_count<tied_net> == 6);

inline constexpr long long t3_minibatches = 8;

inline schedule::program program_of(int kind, schedule::extent e) {
  switch (kind) {
    case 0:
      return schedule::generate(schedule::sequential{}, e);
    case 1:
      return schedule::generate(schedule::gpipe{}, e);
    case 2:
      return schedule::generate(schedule::one_f_one_b{}, e);
    case 3:
      return schedule::generate(schedule::async_1f1b{}, e);
    default:
      return schedule::generate(schedule::pipemare{}, e);
  }
}

/// Values that tables point to.
struct policies {
  loss::cross_entropy loss{};
  optim::sgd sgd{.weight_decay = 0.01};
  optim::momentum momentum{.momentum = 0.9}, nesterov{.momentum = 0.8, .nesterov = true, .weight_decay = 0.001};
  optim::adam adam{.weight_decay = 0.01};
  optim::adamw adamw{};
  lr::reschedule<lr::step> rate{.base = {.rate = 0.05, .every = 30, .warmup = 4}, .steps = 20};
  lr::reschedule<lr::step> small_rate{.base = {.rate = 0.005, .every = 30, .warmup = 4}, .steps = 20};
  delay::none none{};
  delay::discrepancy_correction t2{};
  damping damp{};
  delay::chain<damping, delay::discrepancy_correction> both{};
  delay::chain<delay::discrepancy_correction, delay::none> t2_alone{};
  warmup::none warmup{};
  clip::none clip{};
  clip::per_stage clipped{.norm = 0.5};
  clip::global_norm clipped_together{.norm = 0.5};
  versions::flush versions{};
  accumulate::each accumulate{};
  accumulate::thick thick{};
  initialisation::declared initial{};
};

inline policies const& shared_policies() {
  static policies const all;
  return all;
}

/// Stages are lowered for it: all that they ask of a schedule is whether W is an op of its own.
struct split_or_fused {
  static constexpr char const* name = "split_or_fused";
  static constexpr bool asynchronous = false;
  bool split = false;

  void emit(schedule::extent e, schedule::program& sink) const {
    schedule::program fused = schedule::generate(schedule::sequential{}, e);
    for (int r = 0; r < e.ranks; ++r)
      for (schedule::op o : fused.view().rank(r)) {
        o.slot = -1;
        o.lane = 0;
        bool const both = o.kind == schedule::op_kind::BW && split;
        if (both) o.kind = schedule::op_kind::B;
        sink(r, o);
        if (both) o.kind = schedule::op_kind::W, sink(r, o);
      }
  }
};

template <class Net, class Device = device::host>
table::run_tables lowered(schedule::extent e, bool split, bool thick = false) {
  policies const& p = shared_policies();
  static split_or_fused const any[] = {{false}, {true}};
  auto const lower_with = [&](auto const& accumulate) {
    return lower::lower<Net, Device, float>(
        any[split ? 1 : 0], e,
        lower::by_role(p.loss, p.sgd, p.rate, p.none, p.versions, accumulate, p.warmup, p.clip, p.initial));
  };
  return thick ? lower_with(p.thick) : lower_with(p.accumulate);
}

template <class Delay, class Device = device::host>
table::policy_functions functions(int optimizer) {
  switch (optimizer) {
    case 0:
      return lower::policies_of<Device, float, optim::sgd, Delay>();
    case 1:
    case 2:
      return lower::policies_of<Device, float, optim::momentum, Delay>();
    case 3:
      return lower::policies_of<Device, float, optim::adam, Delay>();
    default:
      return lower::policies_of<Device, float, optim::adamw, Delay>();
  }
}

/// Of no schedule's own making, and later than all of them.
inline versions::injected injected_delays(int stages) {
  versions::injected rule;
  for (int s = 0; s < stages; ++s) rule.delays.push_back(2 * (stages - s) - 1 + 2 * (s % 2));
  return rule;
}

/// The tables of a choice; `program` instead of the choice's own schedule where it has ops.
template <class Device = device::host>
table::run_tables tables_of(choice const& c, schedule::program own = {}) {
  policies const& p = shared_policies();
  int const ranks = c.ranks > 0 ? c.ranks : c.net;
  schedule::extent const e{c.net, ranks, c.n};
  bool const given = own.size().stages > 1;
  schedule::extent const of = given ? own.size() : e;
  bool const split = given && lower::detail::splits_weight_gradient(own.view());
  table::run_tables t = c.net == 4   ? lowered<mlp<4>, Device>(e, split, c.thick)
                        : c.net == 6 ? lowered<tied_net, Device>(e, split, c.thick)
                                     : lowered<mixed, Device>(e, split, c.thick);
  t.policies = c.delay == 0   ? functions<delay::none, Device>(c.optimizer)
               : c.delay == 1 ? functions<delay::discrepancy_correction, Device>(c.optimizer)
               : c.delay == 2 ? functions<damping, Device>(c.optimizer)
               : c.delay == 3 ? functions<delay::chain<damping, delay::discrepancy_correction>, Device>(c.optimizer)
                              : functions<delay::chain<delay::discrepancy_correction, delay::none>, Device>(c.optimizer);
  void const* const optimizers[] = {&p.sgd, &p.momentum, &p.nesterov, &p.adam, &p.adamw};
  void const* const delays[] = {&p.none, &p.t2, &p.damp, &p.both, &p.t2_alone};
  t.optimizer_value = optimizers[c.optimizer];
  t.delay_value = delays[c.delay];
  t.compensates = c.delay != 0;
  t.rate_value = c.optimizer >= 3 ? &p.small_rate : &p.rate;
  bool const together = given && own.view().global_norm;
  if (c.clip) t.clip = together ? lower::clip_of<clip::global_norm>() : lower::clip_of<clip::per_stage>();
  t.clip_value = together ? static_cast<void const*>(&p.clipped_together) : &p.clipped;
  t.phases.clear();
  t.replicas = of.replicas;
  if (given) t.rank_of = schedule::ranks_of(own.view());
  if (c.t3)
    t.phases.push_back(
        lower::detail::make_phase("warm-up", schedule::generate(schedule::one_f_one_b{}, e), versions::flush{}, c.thick));
  schedule::program program = given ? std::move(own) : program_of(c.schedule, e);
  auto const phase = [&](auto const& rule) { return lower::detail::make_phase("test", std::move(program), rule, c.thick); };
  t.phases.push_back(c.rule == 1   ? phase(versions::double_buffered{})
                     : c.rule == 2 ? phase(versions::vertical_sync{})
                     : c.rule == 3 ? phase(injected_delays(c.net))
                     : c.rule == 4 ? phase(versions::flush{})
                     : c.stash     ? phase(versions::stash{})
                                   : phase(versions::live{}));
  return t;
}

/// Ranks spread over workers in equal contiguous shares.
inline std::vector<int> shares(int ranks, int workers) {
  std::vector<int> of;
  for (int r = 0; r < ranks; ++r) of.push_back(r * workers / ranks);
  return of;
}

inline executor::driver driver(bool threaded) {
  return threaded ? executor::driver_of<executor::threads>() : executor::driver_of<executor::single_thread>();
}

inline stream data_of(choice const& c, int samples) {
  return {.features = c.net < 9 ? mlp_inputs : 72, .classes = mlp_classes, .samples = samples};
}

inline table::source_functions source_of(stream const& data) { return executor::source_of<float, std::int32_t>(data); }

/// All that a run leaves behind, as bytes: weights, optimizer and delay state, statistics, losses, weights after each
/// update.
struct traces {
  std::vector<std::byte> state;
  std::vector<double> losses;
  std::vector<std::vector<std::byte>> updates;
  bool operator==(traces const&) const = default;
};

template <class Stages>
std::vector<std::byte> state_of(table::run_tables const& t, Stages const& stages) {
  std::vector<std::byte> all;
  for (executor::bound_stage const& b : stages) {
    auto const take = [&](std::byte const* from, long long elements) {
      if (from == nullptr) return;
      std::size_t const before = all.size(), bytes = bytes_of(t.types.weights, elements);
      all.resize(before + bytes);
      t.device.copy_out(b.device, all.data() + before, from, bytes);
    };
    take(b.w, b.table->weight_elements);
    take(b.buffers, b.table->buffer_elements);
    for (int k = 0; k < t.policies.optimizer_states; ++k) take(b.states[k], b.table->state_elements[k]);
    for (int k = 0; k < t.policies.delay_states; ++k)
      take(b.delay_states[k], b.delay_packed ? b.table->backward_elements : b.table->trained_elements);
  }
  return all;
}

/// Initial weights and statistics of the units that are hosted, and the last phase at its start.
inline void begin_last_phase(table::run_tables const& t, table::run_values const& values, executor::run_memory& memory) {
  for (executor::bound_stage& b : memory.stages())
    for (bool buffer : {false, true})
      for (auto const& p : buffer ? b.table->buffers : b.table->parameters)
        if (b.worker >= 0)
          t.initialise(p, values.seed, t.initialise_value, (buffer ? b.buffers : b.w) + bytes_of(p.type, p.offset));
  schedule::program program = t.phases.back().program;
  memory.reset_phase(t.phases.back());
  for (executor::bound_stage& b : memory.stages()) b.asynchronous = program.view().asynchronous;
}

/// What workers of the last phase need to be told, without a watch. Everything must outlive `shared`.
inline void share(executor::phase_state& shared, table::run_tables const& t, table::run_values const& values,
                  executor::run_memory& memory, executor::stage_ops const& ops, executor::run_losses& losses,
                  long long minibatches) {
  shared.tables = &t;
  shared.ops = &ops;
  shared.stages = &memory.stages();
  shared.bells = &memory.bells();
  shared.microbatches = values.microbatches;
  shared.minibatches = minibatches;
  shared.periods = minibatches + t.phases.back().facts.periods_after;
  shared.losses = &losses;
}

inline constexpr int bit_samples = 3;

/// Trains a choice on an executor and gives everything that it left behind.
inline traces train(choice const& c, int workers, bool threaded, long long minibatches, executor::disturbance disturb = {},
                    schedule::program own = {}) {
  table::run_tables const t = tables_of(c, std::move(own));
  table::run_values const values{bit_samples, c.n, workers, 5, false, 64, false};
  executor::engine engine(t, values, driver(threaded), shares(t.ranks, workers));
  stream const data = data_of(c, bit_samples);
  recorder seen(c.net);
  seen.scalar_bytes = sizeof(float);
  executor::run_request request;
  request.minibatches = minibatches;
  request.every_loss = true;
  request.source = source_of(data);
  request.watch = seen.observer();
  request.disturb = disturb;
  executor::run_result const result = engine.run(request, c.t3 ? t3_minibatches : 0);
  traces out;
  if (result.diverged) throw error(result.diverged->text());
  out.state = state_of(t, engine.stages());
  for (auto const& l : result.losses) out.losses.push_back(l.sum);
  out.updates = seen.bytes();
  return out;
}

}  // namespace foal::test
