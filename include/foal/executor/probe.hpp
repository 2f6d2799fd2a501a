// Where something may look at a stage between ops: hooks and diagnostics. Probes see, they change nothing of the training.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <foal/executor/arena.hpp>
#include <foal/executor/bound_stage.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Called by the stage's worker, for one stage in the order of the program, for different stages at once.
struct probe {
  virtual ~probe() = default;

  /// Before B of a microbatch of the phase, which will read `u`.
  virtual void before_backward(bound_stage const&, std::uint32_t, weight_set) {}
  /// Before U: the gradient is complete and finite, the weights are still those before.
  virtual void before_update(bound_stage const&) {}
  /// After U, with its learning rate.
  virtual void after_update(bound_stage const&, double) {}
};

using probes = std::vector<probe*>;

/// Memory of a probe: a plan of its own on the host, one arena.
class probe_memory {
 public:
  explicit probe_memory(table::run_tables const& tables) : t_(tables), plan_(1) {}
  probe_memory(probe_memory const&) = delete;
  probe_memory& operator=(probe_memory const&) = delete;

  memory_plan const& plan() const { return plan_; }
  /// Plans a copy of n elements; gives its number.
  std::size_t add(char const* what, int stage, element type, long long n) {
    return plan_.add(what, category::diagnostics, 0, stage, bytes_of(type, n), type);
  }
  void allocate() { arena_ = allocate_block(t_.device, std::max<std::size_t>(plan_.bytes(), alignment)); }
  std::byte* at(std::size_t entry) const { return static_cast<std::byte*>(arena_.get()) + plan_[entry].offset; }

 private:
  table::run_tables const& t_;
  memory_plan plan_;
  owned arena_{nullptr, nullptr};
};

}  // namespace foal::executor
