// Interleaved 1F1B whose W's fill the bubble (PyTorch's ScheduleInterleavedZeroBubble; Qi, Wan, Huang, Lin: Zero Bubble
// Pipeline Parallelism, ICLR 2024, on the chunks of Narayanan et al., SC 2021).
#pragma once

#include <algorithm>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/schedule/rules/chunk_list.hpp>
#include <foal/schedule/rules/interleaved.hpp>

namespace foal::schedule {

/// `chunks` runs of neighbouring stages a rank, on a loop. Microbatches go round in groups of R to 2 R - 1: N / R of them,
/// rounded down, the first ones larger by one where N is no multiple; one group where N < R. Rank r runs (chunks - 1) groups
/// and R - 1 - r forwards first, then F, B, W in turns, its W's r behind its B's. Bubble (R - 1)(tF + tB - tW) in times of a
/// chunk, zb_h1's divided by `chunks`; every rank saves R times `chunks` of a chunk's microbatches where groups have R of
/// them. `chunks` times the messages of one_f_one_b. Any N, any S >= R: chunks of different length where S is no multiple.
/// W's of a stage run in order, so that it has the bits of `sequential`. Delay 0. Throws foal::error where chunks < 1.
struct interleaved_zb {
  static constexpr char const* name = "interleaved_zb";
  static constexpr bool asynchronous = false;

  int chunks = 2;

  constexpr placement placed() const { return loop.in(chunks); }
  constexpr int ranks(int stages) const { return ranks_of_chunks(stages, chunks); }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("chunks", chunks);
  }
  constexpr void check() const {
    if (chunks < 1)
      throw error(sentence("cannot generate interleaved_zb with .chunks = ", chunks,
                           ", because every rank has a run of stages; use 1 or more"));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    int const runs = std::min(chunks, (e.stages + e.ranks - 1) / e.ranks), all = runs * e.microbatches;
    auto const order = interleaved{.chunks = runs, .uneven = true}.order(e);
    int largest = 0;  // the first group
    while (largest < all && order[static_cast<std::size_t>(largest)].first == 0) ++largest;
    for (int r = 0; r < e.ranks; ++r) {
      std::vector<chunk> own;
      for (int c = 0; c < runs; ++c) own.push_back(chunk_of(e, runs, c * e.ranks + r));
      chunk_list list(e, r, own, sink);
      auto const put = [&](op_kind kind, int i) {
        int const c = order[static_cast<std::size_t>(i)].first;
        if (kind == op_kind::F) list.forward(c);
        if (kind == op_kind::B) list.backward(runs - 1 - c);
        if (kind == op_kind::W) list.weight(runs - 1 - c);
      };
      int const fill = std::min(all, (runs - 1) * largest + e.ranks - 1 - r);
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
