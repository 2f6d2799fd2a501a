// The weights of a run between its calls: who may read and write them, and when.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <foal/executor/check_values.hpp>
#include <foal/observe/evaluation.hpp>
#include <foal/table/runnable.hpp>
#include <foal/trainer/usage.hpp>

namespace foal::executor {

/// The memory of a run, with the copies that its evaluations need. Weights are read from replica 0 and set in all: they have
/// the same ones. Statistics are each replica's own, of the microbatches that run through it.
class run_weights {
 public:
  run_weights(run_weights const&) = delete;
  run_weights& operator=(run_weights const&) = delete;

  run_memory const& memory() const { return memory_; }
  evaluator const* evaluation() const { return evaluator_.get(); }
  table::run_values const& values() const { return v_; }
  std::vector<bound_stage> const& stages() const { return memory_.stages(); }
  /// That every stage has had, before the run at work; in a callback of an evaluation, those of what was evaluated.
  long long updates() const { return usage_.answers() ? usage_.update() : updates_.load(); }

  /// Throws foal::error where nobody may begin to work on them now.
  void check_free(char const* what) const { usage::working const guard(usage_, what); }

  /// A parameter (or buffer) of a stage. Throws foal::error where there is none.
  table::parameter_row const& row(int stage, std::size_t which, bool buffer = false) const {
    return row_of(t_, stage, which, buffer);
  }

  /// Copies one parameter (or buffer) to host memory of size elements of its type; a tied one is its home's. In a callback
  /// of an evaluation, on its thread, as it was evaluated; not while run() is at work otherwise.
  void read(int stage, table::parameter_row const& p, void* to, bool buffer = false) const {
    kept_at const at = where_is(stage, p, p.type);
    require(at.stage->worker >= 0, "cannot read weights of stage ", stage,
            ", because another process hosts it; read it there");
    if (usage_.answers()) return evaluator_->read(at.stage->number, buffer, at.offset, at.bytes, to);
    usage::reading const guard(usage_, "read weights");
    t_.device.copy_out(at.stage->device, to, (buffer ? at.stage->buffers : at.stage->w) + at.offset, at.bytes);
  }
  /// Copies one of the optimizer's states of a parameter that is trained: the average, which needs an update.
  void read_average(int stage, table::parameter_row const& p, int state, void* to) const {
    require(!usage_.answers(),
            "cannot read averaged weights now, because this trainer is at work and an evaluation has a copy of the weights "
            "alone; do it when the fit is done, or read the weights that were evaluated");
    usage::reading const guard(usage_, "read averaged weights");
    check_average();
    kept_at const at = where_is(stage, p, t_.types.optimizer);
    t_.device.copy_out(at.stage->device, to, at.stage->states[state] + at.offset, at.bytes);
  }
  /// Copies the delay policy's states of a parameter, one array after the other, and gives true; or gives false where it has
  /// none. When the policy acts there, and with which numbers, `moment` says.
  bool read_delay_states(int stage, table::parameter_row const& p, std::byte* to, delay::moment& moment) const {
    require(!usage_.answers(),
            "cannot read the delay policy's states now, because this trainer is at work and an evaluation has a copy of the "
            "weights alone; do it when the fit is done, or read the weights that were evaluated");
    usage::reading const guard(usage_, "read the delay policy's states");
    if (p.home_stage >= 0) {
      table::stage_table const& home = t_.stages[static_cast<std::size_t>(p.home_stage)];
      return read_delay_states(p.home_stage, home.parameters[static_cast<std::size_t>(p.home)], to, moment);
    }
    bound_stage const& b = memory_.stages()[static_cast<std::size_t>(stage)];
    require(b.worker >= 0, "cannot read the delay policy's states of stage ", stage,
            ", because another process hosts it; read them there");
    if (!b.has_delay_states || !b.asynchronous || !b.delay_acts_on(p)) return false;
    moment = b.moment();
    std::size_t const bytes = bytes_of(t_.types.delay, p.size);
    for (int k = 0; k < t_.policies.delay_states; ++k)
      t_.device.copy_out(b.device, to + static_cast<std::size_t>(k) * bytes, b.delay_state(k, p, t_.types.delay), bytes);
    return true;
  }
  /// Sets one parameter (or buffer) from host memory; a tied one is its home's. Not while run() is at work. What another
  /// process hosts is set there.
  void write(int stage, table::parameter_row const& p, void const* from, bool buffer = false) {
    usage::working const guard(usage_, "set weights");
    kept_at const at = where_is(stage, p, p.type);
    for (auto u = static_cast<std::size_t>(at.stage->number); u < t_.units(); u += t_.stages.size()) {
      bound_stage const& b = memory_.stages()[u];
      if (b.worker < 0) continue;
      t_.device.copy_in(b.device, (buffer ? b.buffers : b.w) + at.offset, from, at.bytes);
      bool const trained = !buffer && at.offset < bytes_of(t_.types.weights, b.table->trained_elements);
      if (trained && t_.replica.of_weights() && b.results.base != nullptr)
        t_.device.copy_in(b.device, b.results.base + at.offset, from, at.bytes);
    }
  }

 protected:
  /// tables is kept by reference. Throws foal::error when values cannot work; everything is allocated here.
  run_weights(table::run_tables const& tables, table::run_values const& values, std::vector<int> worker_of)
      : t_(checked(tables)), v_(values), memory_(tables, v_, std::move(worker_of)) {
    require(
        memory_.whole() || v_.diagnostics.every == 0 || !v_.diagnostics.fresh,
        "cannot compute fresh gradients in this process, because that takes the weights of all stages and other processes "
        "host some of them; leave .diagnostics.fresh out");
    require(
        v_.diagnostics.every == 0 || table::most_updates(t_) == 1, "cannot take diagnostics of a run with ",
        table::most_updates(t_),
        " updates of a stage in a minibatch, because they compare gradients of whole minibatches; leave .diagnostics out, "
        "or use a schedule of 1 update");
    if (v_.evaluation)
      evaluator_ = std::make_unique<evaluator>(t_, v_, runs_here(memory_.stages(), t_.stages.size()), memory_.ordinal(0));
    initialise();
  }
  ~run_weights() = default;

  static table::run_tables const& checked(table::run_tables const& t) {
    table::check_runnable(t);
    return t;
  }

  struct kept_at {
    bound_stage const* stage;
    std::size_t offset, bytes;
  };
  /// Where a parameter (or buffer) is kept, or an array like it of another type.
  kept_at where_is(int stage, table::parameter_row const& p, element type) const {
    if (p.home_stage >= 0) {
      auto const& home = memory_.stages()[static_cast<std::size_t>(p.home_stage)];
      return where_is(p.home_stage, home.table->parameters[static_cast<std::size_t>(p.home)], type);
    }
    return {&memory_.stages()[static_cast<std::size_t>(stage)], bytes_of(type, p.offset), bytes_of(type, p.size)};
  }

  void check_average() const {
    require(
        !t_.replica.shards(),
        "cannot give averaged weights, because replicas share out the optimizer's states and each has a part of them; use "
        "replica::summed");
    require(updates_ > 0, "cannot give averaged weights, because the first update begins the average and there were ",
            updates_.load(), " updates; train first");
  }

  void initialise() {
    std::vector<std::byte> host;
    for (bound_stage& b : memory_.stages()) {
      if (b.worker < 0 || (memory_.whole() && b.replica != 0)) continue;
      for (bool buffer : {false, true})
        for (table::parameter_row const& p : buffer ? b.table->buffers : b.table->parameters) {
          if (p.home_stage >= 0) continue;
          host.resize(bytes_of(p.type, p.size));
          t_.initialise(p, v_.seed, t_.initialise_value, host.data());
          write(b.number, p, host.data(), buffer);
        }
      t_.device.synchronise(b.device);
    }
  }

  table::run_tables const& t_;
  table::run_values v_;
  run_memory memory_;
  std::unique_ptr<evaluator> evaluator_;
  std::atomic<long long> updates_{0};
  mutable usage usage_;
};

}  // namespace foal::executor
