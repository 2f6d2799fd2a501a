// Calls a trainer's hook after every U, with the mean gradient that the update has consumed.
#pragma once

#include <algorithm>

#include <foal/executor/probe.hpp>
#include <foal/table/run_values.hpp>

namespace foal::executor {

/// U leaves a stage's gradient at zero, so its mean is copied before: one buffer a worker, as large as its largest stage.
class hook_probe : public probe {
 public:
  hook_probe(table::run_tables const& tables, int workers, std::vector<bound_stage> const& stages)
      : t_(tables), memory_(tables) {
    for (int w = 0; w < workers; ++w) {
      long long most = 0;
      for (bound_stage const& b : stages)
        if (b.worker == w) most = std::max(most, b.table->trained_elements);
      gradient_.push_back(memory_.add("mean gradient for the hook", -1, tables.types.gradients, most));
    }
    memory_.allocate();
  }

  memory_plan const& plan() const { return memory_.plan(); }

  void before_update(bound_stage const& b) override {
    t_.hook.mean(static_cast<std::size_t>(b.table->trained_elements), b.g, static_cast<double>(b.summed), gradient(b));
  }

  void after_update(bound_stage const& b, double rate) override {
    table::hook_call c;
    c.table = b.table;
    c.stage = b.number;
    c.update = b.updates;
    c.rate = rate;
    c.tau_fwd = b.facts.tau_fwd;
    c.tau_bkwd = b.facts.tau_bkwd;
    c.weights = b.w;
    c.gradient = gradient(b);
    c.delay_packed = b.delay_packed;
    for (int k = 0; k < t_.policies.delay_states; ++k) c.delay_states[k] = b.delay_states[k];
    t_.hook.after_update(t_.hook_value, c);
  }

 private:
  std::byte* gradient(bound_stage const& b) const { return memory_.at(gradient_[static_cast<std::size_t>(b.worker)]); }

  table::run_tables const& t_;
  probe_memory memory_;
  std::vector<std::size_t> gradient_;  ///< by worker
};

}  // namespace foal::executor
