// Where the buffers of one unit lie in the plan.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <foal/plan/evicted_slots.hpp>
#include <foal/plan/segments.hpp>
#include <foal/plan/sums.hpp>
#include <foal/table/stage_table.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// A ring in the plan: an entry of its own, a place in what the wires of a worker share, or slots of a rank's pool, of which
/// microbatch m has that at places[m mod their number].
struct planned_ring {
  std::size_t entry = 0;
  bool shares = false;
  std::size_t number = 0;                    ///< in shared_wires
  std::size_t offset = 0;                    ///< in each slot of the pool
  std::span<std::size_t const> places = {};  ///< empty: slots lie one after the other
};

/// A ring whose first `saved` slots count as saved activations and the rest as wires; one piece of memory.
struct ring_size {
  std::size_t one = 0;
  int slots = 0, saved = 0;
  element type = element::bytes;
};

/// Of an array that a unit evicts, beside the ring that F has: that of the backward, and the slots of the other rank. By
/// microbatch of a minibatch.
struct evicted_array {
  planned_ring again, away;
  std::vector<std::size_t> first_places, again_places, away_places;  ///< which they point to
};

/// Bytes of all that a stage saves of a microbatch of so many samples, each array as it lies in a ring.
inline std::size_t saved_bytes(table::stage_table const& t, int samples) {
  std::size_t bytes = 0;
  for (table::wire_entry const& e : t.wire_in) bytes += e.last == until::forward ? 0 : padded(e.bytes(samples));
  for (table::tensor const& x : t.tensors) bytes += x.where == table::place::kept ? padded(x.bytes(samples)) : 0;
  return bytes;
}

/// Slots on another rank for what a unit evicts: each has room for all its arrays.
struct away_slots {
  std::size_t entry = 0;
  std::size_t bytes = 0, used = 0;  ///< of each
};

/// Adds them, `slots`, to the plan of the other rank's worker.
inline away_slots plan_away(table::stage_table const& t, int samples, memory_plan& plan, int worker, int number, int slots) {
  std::size_t const bytes = saved_bytes(t, samples);
  return {.entry = plan.add("saved activations of another rank", category::saved, worker, number,
                            static_cast<std::size_t>(slots) * bytes),
          .bytes = bytes};
}

/// Of an array that a unit offloads, beside the ring that F has: entries of the ring of the backward and of that in host
/// memory.
struct offloaded_array {
  std::size_t back = 0, host = 0;
  int slots = 0, host_slots = 0;  ///< 0: it is not offloaded
};

/// Numbers, in the plan, of one unit's buffers, and what else is decided about them.
struct unit_plan {
  std::size_t w = 0, g = 0, buffers = 0, history = 0, staging = 0, targets = 0;
  segment_rooms segments;
  std::size_t block = 0;             ///< where the device is asynchronous
  std::size_t reference = 0;         ///< where replicas exchange weights
  std::optional<std::size_t> forms;  ///< of weights, the device's
  std::size_t states[table::most_states]{}, delay_states[table::most_states]{};
  bool delay_acts = false, delay_packed = true, has_delay_states = false, history_packed = true;
  int history_slots = 0;
  std::vector<planned_ring> wires, gradients, rebuilt;  ///< by entry; rebuilt: from R of the stage before
  std::vector<int> wire_slots, gradient_slots, rebuilt_slots;
  std::vector<planned_ring> kept;      ///< by tensor number, only for place::kept
  std::vector<int> kept_slots;         ///< the same
  std::vector<std::size_t> error;      ///< by tensor number, only for place::error
  std::vector<std::size_t> lent;       ///< by loan: versions and gradients, in this order; also of who borrows alone
  sum_rooms sums;                      ///< of gradients between replicas
  std::vector<std::size_t> temporary;  ///< offsets within the worker's temporaries, by tensor number
  std::vector<std::size_t> transient;  ///< the same of what F keeps, or R sends on, for nobody

  away_slots away;
  std::vector<evicted_array> evicted_wires, evicted_kept;  ///< by entry, and by tensor number; empty: it evicts nothing
  std::vector<offloaded_array> offloaded;                  ///< by tensor number; empty: nothing is

  /// Of a stage with so many tensors, none of which has a place yet.
  void begin_tensors(std::size_t count) {
    kept.assign(count, {});
    kept_slots.assign(count, 0);
    error.assign(count, 0);
  }
};

/// Has a ring of arrays of `one` bytes that is planned for F go by the slots of evictions. Gives what belongs to it.
inline evicted_array evict(planned_ring& ring, away_slots& away, evicted_slots const& x, bool wire, std::size_t one) {
  std::size_t const stride = padded(one), n = x.evicted.size();
  evicted_array a;
  for (std::size_t m = 0; m < n; ++m) {
    a.first_places.push_back(static_cast<std::size_t>((wire ? x.wire_first : x.first)[m]) * stride);
    a.again_places.push_back(static_cast<std::size_t>((wire ? x.wire_again : x.again)[m]) * stride);
    a.away_places.push_back(static_cast<std::size_t>(x.there[m]) * away.bytes);
  }
  a.again = ring;
  a.again.places = a.again_places;
  ring.places = a.first_places;
  a.away = {away.entry, false, 0, away.used, a.away_places};
  away.used += stride;
  return a;
}

/// Adds an entry of the wire into a unit, which is in a pool and nowhere else.
inline void add_pooled(unit_plan& to, planned_ring const& wire) {
  to.wires.push_back(wire);
  to.wire_slots.push_back(static_cast<int>(wire.places.size()));
  to.rebuilt.push_back({});
  to.rebuilt_slots.push_back(0);
}

/// The same of a gradient that comes back to it.
inline void add_pooled_gradient(unit_plan& to, planned_ring const& gradient) {
  to.gradients.push_back(gradient);
  to.gradient_slots.push_back(static_cast<int>(gradient.places.size()));
}

}  // namespace foal::executor
