// What a plan must know of inputs and targets.
#pragma once

#include <algorithm>

#include <foal/table/run_values.hpp>

namespace foal::executor {

/// Microbatches whose targets are kept at once: where they are counted, all of a minibatch.
inline int target_slots(table::run_tables const& t, table::run_values const& v) {
  return t.loss.count == nullptr ? 1 : v.microbatches;
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
