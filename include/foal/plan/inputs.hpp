// What a plan must know of inputs and targets.
#pragma once

#include <algorithm>

#include <foal/table/run_values.hpp>

namespace foal::executor {

/// Microbatches whose targets are kept at once: where they are counted, all of a minibatch.
inline int target_slots(table::run_tables const& t, table::run_values const& v) {
  return t.loss.count == nullptr ? 1 : v.microbatches;
}

/// Bytes of the targets of a microbatch.
inline std::size_t target_bytes(table::run_tables const& t, table::run_values const& v) {
  return static_cast<std::size_t>(t.loss.targets_per_sample) * t.loss.target_bytes *
         static_cast<std::size_t>(v.microbatch_size);
}

/// Bytes of one sample of the model's largest input.
inline std::size_t largest_input(table::run_tables const& t) {
  int most = 0;
  for (table::wire_entry const& e : t.whole_stages().front().wire_in) most = std::max(most, e.extent.size());
  return bytes_of(t.types.activations, most);
}

/// The most positions that the model's inputs hold on each axis; 0 on an axis that none of them has.
inline lengths_of_axes longest_of(table::run_tables const& t) {
  lengths_of_axes most;
  for (table::wire_entry const& e : t.whole_stages().front().wire_in) {
    if (e.extent.axis == 0) continue;
    int& n = most.length[e.extent.axis - 1];
    n = n == 0 ? e.extent.positions() : std::min(n, e.extent.positions());
  }
  return most;
}

}  // namespace foal::executor
