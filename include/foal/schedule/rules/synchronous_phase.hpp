// The synchronous phase before another program's (T3): one_f_one_b with flush on that program's ranks.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/recompute.hpp>

namespace foal::schedule {

namespace detail {

/// one_f_one_b with a rank for every stage, folded onto the given ranks: each rank's ops are in the order of its stages'
/// slots, so nothing waits for what comes later.
constexpr program folded_one_f_one_b(extent size, std::vector<int> const& rank_of) {
  program unfolded = generate(one_f_one_b{}, {size.stages, size.stages, size.microbatches});
  program_view const v = unfolded.view();
  std::vector<op> all(v.ops.begin(), v.ops.end());
  std::sort(all.begin(), all.end(), [](op const& x, op const& y) {
    return x.slot != y.slot ? x.slot < y.slot : x.stage != y.stage ? x.stage < y.stage : x.lane < y.lane;
  });
  program out(size, 0, false);
  for (op o : all) {
    o.slot = -1;
    o.lane = 0;
    out(rank_of[static_cast<std::size_t>(o.stage)], o);
  }
  time(out);
  return out;
}

}  // namespace detail

/// one_f_one_b for the stages of `v`, each on its rank, with the same stages frozen, without a backward, or recomputed, so
/// that a run may change from one program to the other: what a stage keeps, and who works on it, stays. Needs a program that
/// prove() accepts and that trains; throws a sentence otherwise.
constexpr program synchronous_phase(program_view v) {
  if (verdict const bad = well_formed(v); !bad) throw error(text(bad));
  if (v.inference) throw error("cannot put a synchronous phase before inference, because nothing is trained; leave it out");
  std::vector<int> rank_of(static_cast<std::size_t>(v.size.stages), 0);
  bool contiguous = true;
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : v.rank(r)) {
      rank_of[static_cast<std::size_t>(o.stage)] = r;
      contiguous = contiguous && r == contiguous_rank(v.size, o.stage);
    }
  }
  program phase = contiguous ? generate(one_f_one_b{}, v.size) : detail::folded_one_f_one_b(v.size, rank_of);
  std::vector<int> heads = segments_of(v);
  if (std::any_of(heads.begin(), heads.end(), [](int head) { return head >= 0; }))
    phase = with_recomputation(std::move(phase), std::move(heads));
  if (v.wants.empty()) return phase;
  std::vector<int> frozen;
  int lowest = 0;
  while (v.wanted(lowest) == gradients::none) ++lowest;
  for (int s = lowest; s < v.size.stages; ++s)
    if (v.wanted(s) == gradients::input) frozen.push_back(s);
  return without_backward_below(std::move(phase), lowest, frozen);
}

}  // namespace foal::schedule
