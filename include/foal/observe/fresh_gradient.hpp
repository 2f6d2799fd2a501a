// The gradient of a minibatch without any delay: all stages at the same version, one microbatch after the other.
#pragma once

#include <foal/executor/memory.hpp>
#include <foal/executor/ops.hpp>
#include <foal/lower/phase.hpp>
#include <foal/lower/wire.hpp>
#include <foal/policy/versions/flush.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/sequential.hpp>

namespace foal::executor {

/// A second copy of the model with memory of its own, on the calling thread. It draws the same samples and the same dropout
/// as the run, takes batch statistics from the microbatch, and leaves the run's own statistics alone.
class fresh_gradient {
 public:
  fresh_gradient(table::run_tables const& tables, table::run_values const& values)
      : t_(sequential(tables, values)), v_(alone(values)), memory_(t_, v_, std::vector<int>(1, 0)) {}
  fresh_gradient(fresh_gradient const&) = delete;
  fresh_gradient& operator=(fresh_gradient const&) = delete;

  memory_plan const& plan() const { return memory_.plan(); }

  /// Takes a stage's weights as they are.
  void set(bound_stage const& b) {
    bound_stage const& mine = memory_.stages()[static_cast<std::size_t>(b.number)];
    t_.device.copy(mine.device, mine.w, b.w, bytes_of(t_.types.weights, b.table->weight_elements));
  }

  /// Sums the gradients of minibatch `number` of the run at the weights that were set; of(stage) is the sum.
  void compute(table::source_functions const& source, long long number) {
    memory_.reset_phase(t_.phases.front());
    stage_ops const ops(t_, v_, source, memory_.host_targets());
    auto& stages = memory_.stages();
    for (bound_stage& b : stages) t_.device.zero(b.device, b.g, bytes_of(t_.types.gradients, b.table->gradient_elements));
    for (int j = 0; j < v_.microbatches; ++j) {
      position const p{static_cast<std::uint32_t>(j), number * v_.microbatches + j};
      for (bound_stage& b : stages) ops.forward(b, p);
      for (std::size_t s = stages.size(); s-- > 0;) ops.backward(stages[s], p, true);
    }
    for (bound_stage& b : stages) collect_lent(t_, b);
  }
  std::byte const* of(int stage) const { return memory_.stages()[static_cast<std::size_t>(stage)].g; }

 private:
  static table::run_tables sequential(table::run_tables t, table::run_values const& values) {
    if (!t.whole.empty()) t.stages = std::exchange(t.whole, {});
    t.segments = 1;
    int const stages = static_cast<int>(t.stages.size());
    t.phases.clear();
    t.phases.push_back(lower::detail::make_phase(
        schedule::sequential::name,
        schedule::generate(schedule::sequential{}, schedule::extent{stages, 1, values.microbatches}), versions::flush{}));
    t.ranks = 1;
    t.replicas = 1;
    t.rank_of.assign(t.stages.size(), 0);
    t.policies = {};
    t.compensates = false;
    t.thick = false;
    lower::drop_feedback(t);
    return t;
  }
  static table::run_values alone(table::run_values v) {
    v.workers = 1;
    return v;
  }

  table::run_tables t_;
  table::run_values v_;
  run_memory memory_;
};

}  // namespace foal::executor
