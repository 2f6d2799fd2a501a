// V-Min (Qi, Wan, Amar, Lin: Pipeline Parallelism with Controllable Memory, NeurIPS 2024): about a third of 1F1B's memory,
// two thirds of its bubble.
#pragma once

#include <foal/schedule/rules/v_grid.hpp>

namespace foal::schedule {

/// Two chunks a rank on a V, as v_half with a shorter building block: every rank saves 2 floor((R + 4) / 3) chunks of a
/// microbatch at most, for which a run plans that room or that of one chunk more, because each chunk has its own. The bubble
/// is two thirds of one_f_one_b's with equal costs, and grows with N where they differ. Any N, any S >= R: chunks of
/// different length where S is not 2 R. Twice the messages of one_f_one_b. W's run in order, so that it has the bits of
/// `sequential`. Delay 0.
struct v_min {
  static constexpr char const* name = "v_min";
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
    int const r = e.ranks, gap = r % 3 == 0 ? 2 : 0;
    std::vector<v_offsets> offsets;
    for (int i = 0; i < r; ++i) offsets.push_back({i, 2 * r - i - 1, 2 * r + gap + i, 4 * r + gap - i - 1});
    emit_blocks(e, offsets, reordered, sink);
  }
};

}  // namespace foal::schedule
