// Looped breadth-first pipelines (Lamy-Poirier, MLSys 2023): each chunk of a rank runs all microbatches before the next.
#pragma once

#include <foal/core/error.hpp>
#include <foal/schedule/rules/chunks.hpp>

namespace foal::schedule {

/// Stages go round the ranks in `chunks` chunks a rank. A rank runs all forwards of its lowest chunk, then of the next; then
/// all backwards, the highest chunk first. So a chunk's weights are in use for one stretch each way, and its update comes as
/// soon as its backwards are through. Idle for (R-1)(F+BW) of a chunk, as interleaved; saves N microbatches of every chunk.
/// Any N and S. Delay 0.
///
/// Backwards run the microbatches in order 0..N-1; `newest_first` has N-1..0, as PyTorch does, which adds gradients up in
/// that order and so leaves other bits.
struct looped_bfs {
  static constexpr char const* name = "looped_bfs";
  static constexpr bool asynchronous = false;

  int chunks = 2;
  bool newest_first = false;

  constexpr placement placed() const { return loop.in(chunks); }
  constexpr int ranks(int stages) const { return ranks_of_chunks(stages, chunks); }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("chunks", chunks);
    f("newest_first", newest_first);
  }
  constexpr void check() const {
    if (chunks < 1 || chunks > most_chunks)
      throw error(sentence("cannot generate ", name, " with .chunks = ", chunks,
                           ", because every rank has a chunk; use 1 to ", most_chunks));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    chunk_table const table(e, chunks);
    int const n = e.microbatches;
    for (int r = 0; r < e.ranks; ++r) {
      for (int c = r; c < table.size; c += e.ranks)
        for (int m = 0; m < n; ++m) emit_chunk(table, c, r, {.kind = op_kind::F, .microbatch = m}, sink);
      for (int c = table.size - e.ranks + r; c >= 0; c -= e.ranks) {
        for (int i = 0; i < n; ++i)
          emit_chunk(table, c, r, {.kind = op_kind::BW, .microbatch = newest_first ? n - 1 - i : i}, sink);
        emit_chunk(table, c, r, {.kind = op_kind::U, .microbatch = n - 1}, sink);
      }
    }
  }
};

}  // namespace foal::schedule
