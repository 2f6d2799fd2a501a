// How many recordings a phase takes of a run whose periods can be recorded (plan/not_recorded.hpp).
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/plan/not_recorded.hpp>
#include <foal/plan/recordable_slots.hpp>

namespace foal::executor {

/// Most recordings that a phase may take: each is a graph of all kernels of a period.
inline constexpr int most_recordings = 32;

/// After how many periods every address of the phase comes again, of units that are bound to it.
inline long long recordings_of(std::vector<bound_stage> const& units) {
  long long count = 1;
  auto const add = [&](ring const& r, int step) {
    if (r.base != nullptr && step > 0)
      count = std::lcm(count, static_cast<long long>(periods_of_ring(static_cast<int>(r.count), step)));
  };
  for (bound_stage const& b : units) {
    for (std::vector<ring> const* const all : {&b.tensors, &b.forward_tensors})
      for (ring const& r : *all) add(r, b.facts.share);
    add(b.history, b.versions.updates);
    for (lent_parameter const& q : b.lent) add(q.channel.versions, b.versions.updates), add(q.channel.gradients, 1);
  }
  return count;
}

}  // namespace foal::executor
