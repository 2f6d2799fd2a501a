// Interleaved 1F1B (Narayanan et al., SC 2021): several chunks of stages on every rank, which take turns.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/schedule/rules/chunks.hpp>

namespace foal::schedule {

/// Stages go round the ranks in `chunks` chunks a rank. A chunk runs `turn` microbatches, then the next chunk does; rank r
/// runs 2(R-1-r) + (chunks-1) turn forwards of a chunk first, then one forward and one backward in turns. Idle for
/// (R-1)(F+BW) of a chunk, 1F1B's divided by `chunks`; rank r saves min(N chunks, 2(R-1-r) + (chunks-1) turn + 1) of a
/// chunk's microbatches; messages are `chunks` times as many. Delay 0.
///
/// `turn` 0 (PyTorch's rule): N / max(1, N/R) microbatches; the first authors have R, and fewer would block. N must be whole
/// turns, or `uneven` spreads it over turns of at least that many which differ by one at most, and takes any N. Where S is
/// no multiple of R times `chunks` the first chunks are a stage longer.
struct interleaved {
  static constexpr char const* name = "interleaved";
  static constexpr bool asynchronous = false;

  int chunks = 2;
  int turn = 0;
  bool uneven = false;

  constexpr placement placed() const { return loop.in(chunks); }
  constexpr int ranks(int stages) const { return ranks_of_chunks(stages, chunks); }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("chunks", chunks);
    f("turn", turn);
    f("uneven", uneven);
  }
  constexpr void check() const {
    if (chunks < 1 || chunks > most_chunks || turn < 0)
      throw error(sentence("cannot generate ", name, " with .chunks = ", chunks, " and .turn = ", turn,
                           ", because every rank has a chunk and a turn is counted in microbatches; use 1 to ", most_chunks,
                           " chunks, and a turn of 0 (the schedule's own) or more"));
  }

  /// The chunk's number on its rank, and the microbatch, of every forward that a rank runs, in order. Backwards are the same
  /// with the chunks counted from the other end. Throws a sentence where N is not whole turns.
  constexpr std::vector<std::pair<int, int>> order(extent e) const {
    check();
    int const n = e.microbatches, turns = std::max(1, n / (turn == 0 ? e.ranks : turn));
    if (n % turns != 0 || (turn > 0 && n % turn != 0))
      if (!uneven) refuse(e, turns);
    if (turn > 0 && turn < e.ranks && turns > 1 && chunks > 1)
      throw error(sentence("cannot generate ", name, " with turns of ", turn, " microbatches on ", e.ranks,
                           " ranks, because a chunk's turn would be over before its first microbatch is through all ranks: "
                           ".turn >= R; use ",
                           e.ranks, " or more"));
    std::vector<std::pair<int, int>> all;
    all.reserve(static_cast<std::size_t>(n) * static_cast<std::size_t>(chunks));
    for (int i = 0, m = 0; i < turns; ++i) {
      int const size = n / turns + (i < n % turns ? 1 : 0);
      for (int c = 0; c < chunks; ++c)
        for (int j = 0; j < size; ++j) all.emplace_back(c, m + j);
      m += size;
    }
    return all;
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    auto const list = order(e);
    chunk_table const table(e, chunks);
    int const all = static_cast<int>(list.size());
    int longest = 0;  // the first turn
    while (longest < all && list[static_cast<std::size_t>(longest)].first == 0) ++longest;
    for (int r = 0; r < e.ranks; ++r) {
      auto const run = [&](op_kind kind, int k) {
        auto const [c, m] = list[static_cast<std::size_t>(k)];
        int const chunk = (kind == op_kind::F ? c : chunks - 1 - c) * e.ranks + r;
        emit_chunk(table, chunk, r, {.kind = kind, .microbatch = m}, sink);
      };
      int const fill = std::min(all, 2 * (e.ranks - 1 - r) + (chunks - 1) * longest);
      for (int k = 0; k < fill; ++k) run(op_kind::F, k);
      for (int k = 0; k < all; ++k) {
        if (k + fill < all) run(op_kind::F, k + fill);
        run(op_kind::BW, k);
      }
    }
    emit_updates(e, sink);
  }

 private:
  [[noreturn]] void refuse(extent e, int turns) const {
    int const n = e.microbatches, whole = turn == 0 ? turns : turn, least = n / whole * whole;
    throw error(sentence("cannot generate ", name, " for ", n, " microbatches on ", e.ranks, " ranks, because they are ",
                         turn == 0 ? "no whole turns: N mod max(1, N/R) = " : "no whole turns: N mod .turn = ", n, " mod ",
                         whole, " = ", n % whole, "; use ", least > 0 ? least : least + whole, " or ",
                         (least > 0 ? least : least + whole) + whole,
                         " microbatches, or .uneven = true, whose turns differ by one microbatch"));
  }
};

}  // namespace foal::schedule
