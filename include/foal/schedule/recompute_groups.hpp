// Recompute groups, the stages that are recomputed together: how long they are and where they begin.
#pragma once

#include <vector>

#include <foal/core/error.hpp>

namespace foal::schedule {

/// The square root of S, rounded: with that many stages in a group the inputs that the groups' first stages keep (about
/// S^2 / length) and what R rebuilds (about S * length) are least together, 2 S^1.5 (PipeMare, MLSys 2021, recompute).
constexpr int recompute_group_length(int stages) {
  int length = 1;
  while ((length + 1) * length < stages) ++length;
  return length;
}

/// Per stage the first stage of its group, for groups of `length` stages from stage 0 up (0: recompute_group_length(); the
/// last one may be shorter). Throws foal::error for a negative length.
constexpr std::vector<int> recompute_group_heads(int stages, int length = 0) {
  if (length < 0)
    throw error(sentence("cannot cut ", stages, " stages into segments of ", length,
                         ", because a segment has at least one stage; give 1 or more, or 0 for the square root"));
  if (length == 0) length = recompute_group_length(stages);
  std::vector<int> heads;
  for (int s = 0; s < stages; ++s) heads.push_back(s - s % length);
  return heads;
}

/// The last stage of the group (or of the run without one) that begins at `first`.
constexpr int recompute_group_end(std::vector<int> const& heads, int first) {
  auto const at = [&](int s) { return heads[static_cast<std::size_t>(s)]; };
  int end = first;
  while (static_cast<std::size_t>(end) + 1 < heads.size() && at(end + 1) == at(first)) ++end;
  return end;
}

/// Keeps to the stages from `lowest` up: a group that begins below begins there.
constexpr void cut_below(std::vector<int>& heads, int lowest) {
  for (std::size_t s = 0; s < heads.size(); ++s) {
    if (heads[s] < 0) continue;
    if (static_cast<int>(s) < lowest)
      heads[s] = -1;
    else if (heads[s] < lowest)
      heads[s] = lowest;
  }
}

}  // namespace foal::schedule
