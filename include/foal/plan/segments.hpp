// What a run keeps of what a source gives whole, where sequences come in segments.
#pragma once

#include <foal/table/run_values.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// More slots than any ring has: a minibatch in passes, what is on its way, and once more for what W waits for.
inline long long slots_at_once(table::run_tables const& t, table::run_values const& v) {
  return 4LL * v.microbatches * t.segments + 8LL * static_cast<long long>(t.units());
}

/// Bytes of an entry of a microbatch's inputs, whole.
inline std::size_t whole_bytes(table::run_tables const& t, table::run_values const& v, std::size_t entry) {
  return bytes_of(t.types.activations,
                  static_cast<long long>(t.whole_stages().front().wire_in[entry].extent.size()) * v.microbatch_size);
}

/// Of all entries, one after the other.
inline std::size_t window_bytes(table::run_tables const& t, table::run_values const& v) {
  std::size_t bytes = 0;
  for (std::size_t e = 0; t.segments > 1 && e < t.whole_stages().front().wire_in.size(); ++e)
    bytes += padded(whole_bytes(t, v, e));
  return bytes;
}

/// Entries of the plan, in a unit of the first stage, or of the last one; 0: it has none.
struct segment_rooms {
  std::size_t window = 0;  ///< whole inputs
  std::size_t part = 0;    ///< the targets of a segment
};

/// target_bytes: of whole targets. A device with memory of its own has both in the host's.
inline segment_rooms plan_segments(table::run_tables const& t, table::run_values const& v, memory_plan& plan,
                                   std::size_t unit, int worker, std::size_t target_bytes) {
  segment_rooms rooms;
  if (t.segments == 1 || !t.device.host_memory) return rooms;
  int const stage = static_cast<int>(t.stage_of(unit));
  if (t.is_first(unit))
    rooms.window =
        plan.add("inputs of a microbatch", category::wires, worker, stage, window_bytes(t, v), t.types.activations);
  if (t.is_last(unit)) rooms.part = plan.add("targets of a segment", category::wires, worker, stage, target_bytes);
  return rooms;
}

}  // namespace foal::executor
