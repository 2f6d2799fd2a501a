// ZB-H1 (Qi, Wan, Huang, Lin: Zero Bubble Pipeline Parallelism, ICLR 2024): 1F1B whose W's fill the bubble, at 1F1B's
// memory.
#pragma once

#include <foal/schedule/rules/chunk_list.hpp>

namespace foal::schedule {

/// Rank r runs min(R - r, N) forwards first, then B, W, F in turns, and its W's are r microbatches behind its B's: every
/// rank saves R microbatches, as rank 0 of one_f_one_b does. Bubble (R - 1)(tF + tB - tW), a third of one_f_one_b's with
/// equal costs. Any N, any S >= R. W's run in order, so that it has the bits of `sequential`. Delay 0.
struct zb_h1 {
  static constexpr char const* name = "zb_h1";
  static constexpr bool asynchronous = false;

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    for (int r = 0; r < e.ranks; ++r) {
      chunk_list list(e, r, {chunk_of(e, r)}, sink);
      for (int i = 0; i < e.ranks - r; ++i) list.forward();
      for (int m = 0; m < e.microbatches; ++m) {
        list.backward();
        if (m >= r) list.weight();
        list.forward();
      }
      while (list.waiting() > 0) list.weight();
    }
  }
};

}  // namespace foal::schedule
