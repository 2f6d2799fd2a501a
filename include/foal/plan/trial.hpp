// The room in which an update is tried before it is done, where nothing else tells that its numbers stay finite.
#pragma once

#include <algorithm>

#include <foal/table/run_tables.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Elements of a parameter whose update is tried at once: few enough to stay in the first cache, but on a device with its
/// own memory, where each op costs a call, more.
inline std::size_t trial_block(table::run_tables const& t) { return t.device.host_memory ? 256 : std::size_t{1} << 16U; }

/// Room that a stage needs for a trial: for what an update writes, which is weights, gradient and all states.
inline std::size_t trial_bytes(table::run_tables const& t, table::stage_table const& s) {
  std::size_t most = 0;
  for (table::parameter_row const& p : s.parameters)
    if (p.kind == table::ownership::trained && p.home_stage < 0) most = std::max(most, static_cast<std::size_t>(p.size));
  auto const room = [n = std::min(most, trial_block(t))](element type, int arrays) {
    return padded(n * bytes_of(type)) * static_cast<std::size_t>(arrays);
  };
  return room(t.types.weights, 1) + room(t.types.gradients, 1) + room(t.types.optimizer, t.policies.optimizer_states) +
         room(t.types.delay, t.policies.delay_states);
}

}  // namespace foal::executor
