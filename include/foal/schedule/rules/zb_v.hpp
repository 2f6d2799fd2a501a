// ZB-V (Qi, Wan, Amar, Lin: Pipeline Parallelism with Controllable Memory, NeurIPS 2024; first in Zero Bubble Pipeline
// Parallelism, 2024): two chunks a rank on a V, no bubble where all costs are equal, at 1F1B's memory.
#pragma once

#include <algorithm>

#include <foal/schedule/rules/chunk_list.hpp>

namespace foal::schedule {

/// The input and the loss are both on rank 0. Every rank saves 2 R chunks of a microbatch, as much as rank 0 of one_f_one_b.
/// With tF = tB = tW and N >= 2 R - 1 no rank is idle between its first and its last op, and all end R - 1 after the first;
/// with other costs it is a fixed order, and idle. Fewer microbatches run the list of 2 R - 1 without those that are not
/// there. Any N, any S >= R: chunks of different length where S is not 2 R. Twice the messages of one_f_one_b. W's run in
/// order, so that it has the bits of `sequential`. Delay 0.
struct zb_v {
  static constexpr char const* name = "zb_v";
  static constexpr bool asynchronous = false;
  static constexpr placement placed = vee.in(2);
  static constexpr int ranks(int stages) { return (stages + 1) / 2; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    int const counted = std::max(2 * e.ranks - 1, e.microbatches);
    for (int r = 0; r < e.ranks; ++r) {
      chunk_list list(e, r, {half_of(e, r, 0), half_of(e, r, 1)}, sink, counted);
      for (int i = 0; i < 2 * (e.ranks - r) - 1; ++i) list.forward(0);
      for (int i = 0; i < r; ++i) list.forward(1), list.forward(0);
      for (int i = 0; i < e.ranks - r; ++i) list.forward(1), list.backward(1), list.weight(1);
      while (list.forwards_left(1) > 0) {
        list.forward(0), list.backward(0), list.weight(0);
        list.forward(1), list.backward(1), list.weight(1);
      }
      for (int i = 0; i < r; ++i) list.backward(0), list.backward(1);
      for (int i = 0; i < e.ranks - r; ++i) list.backward(0), list.weight(0);
      while (list.waiting(1) > 0) list.weight(1);
      while (list.waiting(0) > 0) list.weight(0);
    }
  }
};

}  // namespace foal::schedule
