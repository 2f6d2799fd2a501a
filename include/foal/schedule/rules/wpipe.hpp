// WPipe (Yang et al., ICLR 2022): two groups of stages that are updated in turns; half of the delays and of the old weights
// of PipeDream-2BW.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// Every rank hosts a chunk of each group, the lower half of the stages and the upper one. In the lower group forwards of
/// the next minibatch come before the backwards of this one, in the upper group behind its update; groups are updated in
/// turns. So with versions::stash the lower group is one update late and keeps two versions, the upper one is never late and
/// keeps one: half of what 2BW has. That is what the authors say; how both groups share a rank is foal's: F's and BW's
/// alternate, each through one group after the other, backwards as far behind as in async_1f1b. No bubble with equal ops
/// where N >= R - 1; with fewer microbatches a period is as long as with R - 1. Saved: N + R - r microbatches of both chunks
/// together. Needs S >= 2 R; throws foal::error otherwise.
struct wpipe {
  static constexpr char const* name = "wpipe";
  static constexpr bool asynchronous = true;
  static constexpr bool proved_at_construction = true;  ///< not for a single stage
  static constexpr placement placed = loop.in(2);
  static constexpr int ranks(int stages) { return stages < 2 ? 1 : stages / 2; }

  static constexpr int period(extent e) { return 4 * turn(e); }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    if (e.stages < 2 * e.ranks)
      throw error(sentence("cannot generate wpipe for ", e.stages, " stages on ", e.ranks,
                           " ranks, because every rank hosts stages of both groups: S >= 2 R; use ", 2 * e.ranks,
                           " stages or more, or fewer ranks"));
    // One group after the other, on as many ranks as there are chunks.
    extent const chunks{.stages = e.stages, .ranks = 2 * e.ranks, .microbatches = e.microbatches};
    for (int r = 0; r < e.ranks; ++r) {
      auto const to_rank = [&](int, op const& o) { sink(r, o); };
      for (int t = 0; t < period(e); ++t) {
        bool const runs_forward = floor_mod(t - r, 2) == 0;
        int const turns = 2 * turn(e), i = floor_div(runs_forward ? t - r : t - (2 * e.ranks - 1 - r), 2);
        int const minibatch = floor_div(i, turns), group = floor_mod(i, turns) < turn(e) ? 1 : 0;
        int const position = floor_mod(i, turn(e));
        if (position >= e.microbatches) continue;
        // Of minibatch -1 in the upper group; the lower one's forwards are one ahead.
        int const m = (minibatch - (runs_forward && group == 0 ? 0 : 1)) * e.microbatches + position;
        if (runs_forward)
          emit_forward(chunks, group * e.ranks + r, m, to_rank, t);
        else
          emit_backward(chunks, group * e.ranks + r, m, to_rank, t);
      }
    }
  }

 private:
  /// Microbatches that fit in while one group has its turn.
  static constexpr int turn(extent e) { return e.microbatches > e.ranks - 1 ? e.microbatches : e.ranks - 1; }
};

}  // namespace foal::schedule
