// The room in which an update is tried before it is done, where nothing else tells that its numbers stay finite.
#pragma once

#include <algorithm>

#include <foal/table/run_tables.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Elements of a parameter whose update is tried at once: few enough to stay in the first cache, but on a device with its
/// own memory, where each op costs a call, more.
inline std::size_t trial_block(table::run_tables const& t) { return t.device.host_memory ? 256 : std::size_t{1} << 16U; }

/// Bytes of copies of so many elements of what an update writes: weights, gradient and the delay policy's states.
inline std::size_t copied_bytes(table::run_tables const& t, long long n) {
  return padded(bytes_of(t.types.weights, n)) + padded(bytes_of(t.types.gradients, n)) +
         padded(bytes_of(t.types.delay, n)) * static_cast<std::size_t>(t.policies.delay_states);
}

/// Copies of a parameter that is updated as a whole, of its gradient and of all its states.
inline std::size_t copies_of(table::run_tables const& t, table::parameter_row const& p) {
  std::size_t bytes = copied_bytes(t, p.size);
  for (int k = 0; k < t.policies.optimizer[p.optimizer].states; ++k)
    bytes += padded(bytes_of(t.types.optimizer, p.state_size[k]));
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
  auto const n = static_cast<long long>(std::min(block, trial_block(t)));
  return std::max(whole, copied_bytes(t, n) +
                             padded(bytes_of(t.types.optimizer, n)) * static_cast<std::size_t>(t.policies.optimizer_states));
}

}  // namespace foal::executor
