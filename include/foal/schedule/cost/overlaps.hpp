// Which ops of DualPipe's lists its authors overlap.
#pragma once

#include <vector>

#include <foal/schedule/edges.hpp>

namespace foal::schedule {

/// For costs::overlaps: every F with the BW behind it in its list, as DualPipe and DualPipeV have them, but for the first
/// such pair of the ranks where both ways meet (with two replicas those in the middle, else the last one), whose two ops
/// follow each other. Needs a program that is well_formed().
constexpr std::vector<char> dual_pipe_overlaps(program_view v) {
  std::vector<char> all(v.ops.size(), 0);
  int const middle = v.size.replicas == 2 ? v.size.ranks / 2 : v.size.ranks;
  for (int r = 0; r < v.size.ranks; ++r) {
    bool apart = r == middle - 1 || (v.size.replicas == 2 && r == middle);
    for (int i = v.begin[static_cast<std::size_t>(r)]; i + 1 < v.begin[static_cast<std::size_t>(r) + 1]; ++i) {
      op const &first = v.ops[static_cast<std::size_t>(i)], &second = v.ops[static_cast<std::size_t>(i) + 1];
      if (first.kind != op_kind::F || second.kind != op_kind::BW) continue;
      if (!apart) all[static_cast<std::size_t>(i)] = 1;
      apart = false;
    }
  }
  return all;
}

}  // namespace foal::schedule
