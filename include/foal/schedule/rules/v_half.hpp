// V-Half (Qi, Wan, Amar, Lin: Pipeline Parallelism with Controllable Memory, NeurIPS 2024): about half of 1F1B's memory,
// at most half of its bubble.
#pragma once

#include <foal/schedule/rules/v_grid.hpp>

namespace foal::schedule {

/// Two chunks a rank on a V; every microbatch runs as the one before it, six slots later, until the ends, which are moved
/// together. Every rank saves 2 floor((R + 2) / 2) chunks of a microbatch at most, and a run plans no more room; rank 0 of
/// one_f_one_b saves as much as 2 R of them. The bubble is at most half of one_f_one_b's with equal costs; it stays small
/// where tW + 2 tB >= 2 tF and tW + 2 tF >= 2 tB. Any N, any S >= R: chunks of different length where S is not 2 R. Twice
/// the messages of one_f_one_b. W's run in order, so that it has the bits of `sequential`. Delay 0.
struct v_half {
  static constexpr char const* name = "v_half";
  static constexpr bool asynchronous = false;
  static constexpr placement placed = vee.in(2);
  static constexpr bool proved_at_construction = true;  ///< moves ops about: more than a compiler does for many ranks
  static constexpr int ranks(int stages) { return (stages + 1) / 2; }

  bool reordered = true;  ///< false: the ends are left as they repeat

  template <class F>
  constexpr void numbers(F&& f) const {
    f("reordered", reordered);
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    int const r = e.ranks, gap = r % 2 == 0 ? 3 : 0;
    std::vector<v_offsets> offsets;
    for (int i = 0; i < r; ++i) offsets.push_back({2 * i, 3 * r - i - 2, 3 * r + gap + 2 * i - 1, 6 * r + gap - i - 2});
    emit_blocks(e, offsets, reordered, sink);
  }
};

}  // namespace foal::schedule
