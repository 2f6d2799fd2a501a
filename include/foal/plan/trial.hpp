// The room in which an update is tried before it is done, where nothing else tells that its numbers stay finite.
#pragma once

#include <algorithm>

#include <foal/table/run_tables.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Elements of a parameter whose update is tried at once: few enough to stay in the first cache, but on a device with its
/// own memory, where each op costs a call, more.
inline std::size_t trial_block(table::run_tables const& t) { return t.device.host_memory ? 256 : std::size_t{1} << 16U; }

/// Arrays that an update writes: weights, gradient and all states.
inline std::size_t trial_arrays(table::run_tables const& t) {
  return 2 + static_cast<std::size_t>(t.policies.optimizer_states + t.policies.delay_states);
}

/// Copies of a parameter that is updated as a whole, of its gradient and of all its states.
inline std::size_t copies_of(table::run_tables const& t, table::parameter_row const& p) {
  std::size_t bytes =
      padded(static_cast<std::size_t>(p.size) * t.scalar_bytes) * (2 + static_cast<std::size_t>(t.policies.delay_states));
  for (int k = 0; k < t.policies.optimizer[p.optimizer].states; ++k)
    bytes += padded(static_cast<std::size_t>(p.state_size[k]) * t.scalar_bytes);
  return bytes;
}

/// Room that a stage's U needs: for a trial, block by block; where parameters are updated as a whole, for what their steps
/// need and behind it for copies of a parameter.
inline std::size_t update_bytes(table::run_tables const& t, table::stage_table const& s) {
  std::size_t block = 0, whole = 0;
  for (table::parameter_row const& p : s.parameters) {
    if (p.kind != table::ownership::trained || p.home_stage >= 0) continue;
    if (t.policies.optimizer[p.optimizer].whole)
      whole = std::max(whole, p.update_scratch + copies_of(t, p));
    else
      block = std::max(block, static_cast<std::size_t>(p.size));
  }
  return std::max(whole, padded(std::min(block, trial_block(t)) * t.scalar_bytes) * trial_arrays(t));
}

}  // namespace foal::executor
