// The placement of a model whose first and last stages are parts of a vocabulary.
#pragma once

#include <algorithm>

#include <foal/schedule/rules/chunk_list.hpp>

namespace foal::schedule {

/// The stages of such a model over ranks, in three runs: the first `parts`, those between, the last `parts`; each run
/// contiguous over all ranks. parts 0: as many as ranks.
struct vocabulary_runs {
  int stages = 1, ranks = 1, parts = 0;

  constexpr vocabulary_runs(int all, int of_ranks, int parts_given)
      : stages(all), ranks(of_ranks), parts(std::min(parts_given > 0 ? parts_given : of_ranks, all / 2)) {}

  constexpr int first_of(int run) const { return run == 0 ? 0 : run == 1 ? parts : stages - parts; }
  constexpr int size_of(int run) const { return run == 1 ? stages - 2 * parts : parts; }
  constexpr int rank(int stage) const {
    int const run = stage < parts ? 0 : stage < stages - parts ? 1 : 2;
    return detail::in_blocks(size_of(run), ranks, stage - first_of(run));
  }
  /// The stages of a run that a rank has; maybe none.
  constexpr chunk of(int run, int rank) const {
    extent const e{size_of(run), ranks, 1};
    return {first_of(run) + first_stage(e, rank), first_of(run) + first_stage(e, rank + 1)};
  }
};

namespace detail {

constexpr int place_at_both_ends(spread of, int stage, int replica) {
  rank_range const at = of.beside(replica);
  return at.first + vocabulary_runs(of.stages, at.count, of.chunks).rank(stage);
}

}  // namespace detail

/// vocabulary_runs; `both_ends.in(parts)` says of how many stages the first and the last run are. Replicas side by side.
inline constexpr placement both_ends{"both_ends", detail::place_at_both_ends};

}  // namespace foal::schedule
