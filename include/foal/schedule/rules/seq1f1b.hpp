// Seq1F1B (Sun et al., 2024): 1F1B whose unit is a segment of a sequence, so that the bubble and the memory are of a
// segment.
#pragma once

#include <algorithm>

#include <foal/core/error.hpp>
#include <foal/schedule/rules/chunks.hpp>

namespace foal::schedule {

/// Every microbatch in `segments` parts of its sequence, F's in order, the backwards of a microbatch from its last segment
/// to its first. Rank r runs min(R-2-r + k, N k) forwards first (k segments), then one forward and one backward in turns.
/// Idle for (R-1)(F+BW) of a segment, 1F1B's divided by k; saves R-1-r + k segments. Needs a model in which what is earlier
/// does not depend on what is later (causal). Delay 0.
///
/// A run gives slots back in the order of the forwards, so its rings have room for k - 1 segments more. Layers take segments
/// that declare it (layer/contract.hpp); lower/segments.hpp refuses others by their names.
struct seq1f1b {
  static constexpr char const* name = "seq1f1b";
  static constexpr bool asynchronous = false;

  int segments = 2;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("segments", segments);
  }
  constexpr void check() const {
    constexpr int most = 1 << 10;
    if (segments < 1 || segments > most)
      throw error(sentence("cannot generate ", name, " with .segments = ", segments,
                           ", because a sequence has one at least, and lists have an op for each; use 1 to ", most));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    int const k = segments, all = e.microbatches * k;
    chunk_table const stages(e, 1);
    for (int r = 0; r < e.ranks; ++r) {
      auto const run = [&](op_kind kind, int i) {
        int const segment = kind == op_kind::F ? i % k : k - 1 - i % k;
        emit_chunk(stages, r, r, {.kind = kind, .microbatch = i / k, .segment = segment}, sink);
      };
      int const fill = std::min(all, e.ranks - 2 - r + k);
      for (int i = 0; i < fill; ++i) run(op_kind::F, i);
      for (int i = 0; i < all; ++i) {
        if (i + fill < all) run(op_kind::F, i + fill);
        run(op_kind::BW, i);
      }
    }
    emit_updates(e, sink);
  }
};

}  // namespace foal::schedule
