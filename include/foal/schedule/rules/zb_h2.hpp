// ZB-H2 (Qi, Wan, Huang, Lin: Zero Bubble Pipeline Parallelism, ICLR 2024): no bubble where all costs are equal, at twice
// the memory of 1F1B.
#pragma once

#include <foal/schedule/rules/chunk_list.hpp>

namespace foal::schedule {

/// Rank r runs min(2 (R - r) - 1, N) forwards first, then B, W, F in turns, and its W's are 2 r microbatches behind its B's.
/// Every rank saves 2 R - 1 microbatches. A rank is idle for (R - 1)(tF + tB - 2 tW) between its first and its last op where
/// N >= 2 R - 1, more below. Steps follow each other as a parallelogram: a rank ends when those after it end later by as
/// much as they began, so that a global norm, which waits for all of them, takes that gain. Any N, any S >= R. W's run in
/// order, so that it has the bits of `sequential`. Delay 0.
struct zb_h2 {
  static constexpr char const* name = "zb_h2";
  static constexpr bool asynchronous = false;

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    for (int r = 0; r < e.ranks; ++r) {
      chunk_list list(e, r, {chunk_of(e, r)}, sink);
      for (int i = 0; i < 2 * (e.ranks - r) - 1; ++i) list.forward();
      for (int m = 0; m < e.microbatches; ++m) {
        list.backward();
        if (m >= 2 * r) list.weight();
        list.forward();
      }
      while (list.waiting() > 0) list.weight();
    }
  }
};

}  // namespace foal::schedule
