// What a program may have and a run cannot do.
#pragma once

#include <foal/core/error.hpp>
#include <foal/schedule/shares.hpp>

namespace foal::lower {

/// Throws a sentence for a program with segments, or several updates in a minibatch: proofs and costs know them, a unit of a
/// run takes a microbatch whole and updates with the sum of a minibatch. Needs a program that is
/// well_formed().
inline void check_runnable(schedule::program_view v) {
  require(v.size.segments == 1, "cannot train microbatches in ", v.size.segments,
          " segments, because no layer hands on what it knows from one segment to the next; use a schedule of 1 segment");
  schedule::shares const shares(v);
  for (int r = 0; r < v.size.replicas; ++r)
    require(shares.of(r) > 0, "cannot train ", v.size.replicas, " replicas with ", v.size.microbatches,
            " microbatches in a minibatch, because none runs through replica ", r, "; use as many as there are replicas");
  std::vector<int> updates(static_cast<std::size_t>(units(v.size)), 0);
  for (schedule::op const& o : v.ops) {
    if (o.kind != schedule::op_kind::U) continue;
    int const count = ++updates[static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica))];
    require(count == 1, "cannot train stage ", o.stage, " with ", count, " updates in a minibatch of ", v.size.microbatches,
            " microbatches, because an update takes the sum of a whole minibatch; use minibatches as long as what lies "
            "between two updates");
  }
}

}  // namespace foal::lower
