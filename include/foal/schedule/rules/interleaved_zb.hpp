// Interleaved 1F1B whose W's fill the bubble (PyTorch's ScheduleInterleavedZeroBubble; Qi, Wan, Huang, Lin: Zero Bubble
// Pipeline Parallelism, ICLR 2024, on the chunks of Narayanan et al., SC 2021).
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/rules/chunk.hpp>

namespace foal::schedule {

/// V = S / R chunks a rank on a loop, rounded up; ranks may lack the last one. Microbatches go round in groups of R to
/// 2 R - 1: N / R of them, rounded down, the first ones larger by one where N is no multiple; one group where N < R. Rank r
/// runs (V - 1) groups and R - 1 - r forwards first, then F, B, W in turns, its W's r behind its B's. Bubble
/// (R - 1)(tF + tB - tW) in times of a chunk, 1 / V of zb_h1's; every rank saves V R chunks of a microbatch where groups
/// have R of them. V times the messages of one_f_one_b. Any N, any S >= R. W's of a stage run in order, so that it has the
/// bits of `sequential`. Delay 0.
struct interleaved_zb {
  static constexpr char const* name = "interleaved_zb";
  static constexpr bool asynchronous = false;
  static constexpr placement placed = loop;
  static constexpr int ranks(int stages) { return (stages + 1) / 2; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    int const chunks = (e.stages + e.ranks - 1) / e.ranks, n = e.microbatches, all = chunks * n;
    int const groups = std::max(1, n / e.ranks), largest = (n + groups - 1) / groups;
    std::vector<std::pair<int, int>> order;  // of forwards: chunk and microbatch; backwards turn the chunks round
    for (int g = 0, first = 0; g < groups; ++g) {
      int const size = n / groups + (g < n % groups ? 1 : 0);
      for (int c = 0; c < chunks; ++c)
        for (int m = first; m < first + size; ++m) order.push_back({c, m});
      first += size;
    }
    for (int r = 0; r < e.ranks; ++r) {
      auto const put = [&](op_kind kind, int i) {
        auto const [c, m] = order[static_cast<std::size_t>(i)];
        int const stage = (kind == op_kind::F ? c : chunks - 1 - c) * e.ranks + r;
        if (stage >= e.stages) return;
        sink(r, op{.kind = kind, .stage = stage, .microbatch = m});
        if (kind == op_kind::W && m == n - 1) sink(r, op{.kind = op_kind::U, .stage = stage, .microbatch = m});
      };
      int const fill = std::min(all, (chunks - 1) * largest + e.ranks - 1 - r);
      for (int i = 0; i < fill; ++i) put(op_kind::F, i);
      for (int i = 0; i < all; ++i) {
        if (i + fill < all) put(op_kind::F, i + fill);
        put(op_kind::B, i);
        if (i >= r) put(op_kind::W, i - r);
      }
      for (int i = std::max(0, all - r); i < all; ++i) put(op_kind::W, i);
    }
  }
};

}  // namespace foal::schedule
