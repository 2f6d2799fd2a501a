// What another process hosts, and in which order it is sent there.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include <foal/schedule/edges.hpp>

namespace foal::executor {

/// In a list of workers, the mark of a rank that a process hosts which is not this one, and which process that is.
constexpr int hosted_by(int process) { return -1 - process; }
constexpr int elsewhere(int mark) { return -1 - mark; }

/// Whether a unit's ops of a kind (BW counts as B) go through the microbatches, and their segments, in their order.
inline bool in_order(schedule::program_view v, int unit, schedule::op_kind kind) {
  std::vector<int> of;
  for (schedule::op const& o : v.ops)
    if (unit_of(v.size, o.stage, o.replica) == unit &&
        (o.kind == schedule::op_kind::BW ? schedule::op_kind::B : o.kind) == kind)
      of.push_back(o.microbatch * v.size.segments + o.segment);
  return of.empty() || (std::adjacent_find(of.begin(), of.end(), std::greater_equal<int>()) == of.end() &&
                        of.back() < of.front() + v.size.microbatches * v.size.segments);
}

}  // namespace foal::executor
