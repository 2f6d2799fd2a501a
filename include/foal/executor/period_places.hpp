// Where the ops of a period that is recorded have their numbers and data.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <foal/executor/phase_state.hpp>
#include <foal/executor/worker_ops.hpp>

namespace foal::executor {

/// One after the other: an op's numbers, behind them of F of the first stage the inputs, of the last stage's the targets.
struct period_places {
  std::vector<op_place> of{};  ///< by op
  std::size_t bytes = 0;       ///< of all, of the device and of the host each

  /// Where they lie.
  void place(void* host, void* device) {
    std::size_t at = 0;
    for (op_place& p : of) {
      p.host = static_cast<std::byte*>(host) + at;
      p.device = static_cast<std::byte*>(device) + at;
      at += p.layout.bytes;
    }
  }
};

/// Sizes alone. Needs units with `later`, and shared.ops.
inline period_places places_of(phase_state const& shared, std::span<worker_op const> body) {
  period_places all;
  for (worker_op const& e : body) {
    bound_stage const& b = *e.unit;
    step_block const& whole = b.later->layout();
    std::size_t const count = b.table->parameters.size();
    op_place p;
    p.layout.update = whole.update;
    p.layout.weight = whole.weight;
    p.layout.updates = padded(sizeof(table::step_numbers));
    p.layout.weights = padded(p.layout.update_at(e.kind == schedule::op_kind::U ? count : 0));
    p.inputs = padded(p.layout.weight_at(count));
    bool const forward = e.kind == schedule::op_kind::F,
               last = b.number + 1 == static_cast<int>(shared.tables->stages.size());
    p.targets = p.inputs + (forward ? shared.ops->bytes_of_inputs(b) : 0);
    p.layout.bytes = padded(p.targets + (forward && last ? shared.ops->bytes_of_targets() : 0));
    all.bytes += p.layout.bytes;
    all.of.push_back(p);
  }
  return all;
}

}  // namespace foal::executor
