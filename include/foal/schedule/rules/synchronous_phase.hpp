// The synchronous phase before another program's (T3): one_f_one_b with flush on that program's ranks.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/recompute.hpp>

namespace foal::schedule {

/// one_f_one_b for the stages of `v`, each on its rank, with the same stages frozen, without a backward, recomputed, or
/// offloaded, so that a run may change from one program to the other: what a stage keeps, and who works on it, stays. Needs
/// a program that prove() accepts and that trains, of one replica and one segment; throws a sentence otherwise.
constexpr program synchronous_phase(program_view v) {
  if (verdict const bad = well_formed(v); !bad) throw error(text(bad));
  if (v.inference) throw error("cannot put a synchronous phase before inference, because nothing is trained; leave it out");
  if (v.size.replicas != 1 || v.size.segments != 1)
    throw error(sentence("cannot put a synchronous phase before a program of ", v.size.replicas, " replicas and ",
                         v.size.segments, " segments, because it is one_f_one_b on one of each; leave it out"));
  std::vector<int> const ranks = ranks_of(v);
  bool in_order = v.size.placed == contiguous;
  for (int s = 0; s < v.size.stages; ++s)
    in_order = in_order && ranks[static_cast<std::size_t>(s)] == contiguous_rank(v.size, s);
  program phase = in_order
                      ? generate(one_f_one_b{}, v.size)
                      : fold(generate(one_f_one_b{}, {v.size.stages, v.size.stages, v.size.microbatches}), v.size, ranks);
  std::vector<int> heads = recompute_groups_of(v);
  if (std::any_of(heads.begin(), heads.end(), [](int head) { return head >= 0; }))
    phase = with_recomputation(std::move(phase), std::move(heads));
  phase.offloads({v.offloads.begin(), v.offloads.end()});
  if (v.wants.empty()) return phase;
  std::vector<int> frozen;
  int lowest = 0;
  while (v.wanted(lowest) == gradients::none) ++lowest;
  for (int s = lowest; s < v.size.stages; ++s)
    if (v.wanted(s) == gradients::input) frozen.push_back(s);
  return without_backward_below(std::move(phase), lowest, frozen);
}

}  // namespace foal::schedule
