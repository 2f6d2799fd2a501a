// Varuna (Athlur et al., EuroSys 2022): everything is recomputed, and each rank runs the most urgent op that it has.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/schedule/rules/chunks.hpp>
#include <foal/schedule/rules/wrap.hpp>

namespace foal::schedule {

/// The order is that of a clock on which F and R take one slot and a backward two: a rank that is free takes a backward
/// before a recomputation before a forward, of each the one that came first. The first half of a backward (its input's
/// gradient) brings the rank before it the recomputation of that microbatch, and that its backward. The stages of a rank are
/// a recompute group; those of the last rank are kept. Ranks keep up to N inputs, and what a forward saves of one
/// microbatch. Delay 0.
struct varuna {
  static constexpr char const* name = "varuna";
  static constexpr bool asynchronous = false;

  constexpr program build(extent e) const {
    chunk_table const table(e, 1);
    int const last = e.ranks - 1, n = e.microbatches;
    program p(e, 0, false);
    struct rank_state {
      // Microbatches in the order in which they came; next of each: the first that has not run.
      std::vector<int> forward, recompute, backward;
      std::size_t next_f = 0, next_r = 0, next_b = 0;
      int busy = 0;  ///< slots that its backward still takes
    };
    std::vector<rank_state> ranks(static_cast<std::size_t>(e.ranks));
    for (int m = 0; m < n; ++m) ranks[0].forward.push_back(m);
    struct done {
      int rank, microbatch;
      op_kind kind;
    };
    std::vector<done> now;
    for (int left = n * e.ranks; left > 0;) {
      now.clear();
      for (int r = 0; r < e.ranks; ++r) {
        rank_state& x = ranks[static_cast<std::size_t>(r)];
        if (x.busy > 0) {
          --x.busy;
          continue;
        }
        auto const take = [&](std::vector<int> const& waiting, std::size_t& next, op_kind kind) {
          if (next == waiting.size()) return false;
          int const m = waiting[next++];
          emit_chunk(table, r, r, {.kind = kind, .microbatch = m}, p);
          now.push_back({r, m, kind});
          return true;
        };
        if (take(x.backward, x.next_b, op_kind::BW)) {
          x.busy = 1;
          --left;
        } else if (!take(x.recompute, x.next_r, op_kind::R)) {
          take(x.forward, x.next_f, op_kind::F);
        }
      }
      for (done const& d : now) {
        rank_state& x = ranks[static_cast<std::size_t>(d.rank)];
        if (d.kind == op_kind::R || (d.kind == op_kind::F && d.rank == last))
          x.backward.push_back(d.microbatch);
        else if (d.kind == op_kind::F)
          ranks[static_cast<std::size_t>(d.rank) + 1].forward.push_back(d.microbatch);
        else if (d.rank > 0)
          ranks[static_cast<std::size_t>(d.rank) - 1].recompute.push_back(d.microbatch);
      }
    }
    emit_updates(e, p);
    if (last > 0) {
      std::vector<int> heads(static_cast<std::size_t>(e.stages), -1);
      for (int s = 0; s < table.first(last); ++s) heads[static_cast<std::size_t>(s)] = first_stage(e, rank_of(e, s));
      p.recompute(std::move(heads));
    }
    time(p);
    return p;
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    detail::emit_all(build(e), sink);
  }
};

}  // namespace foal::schedule
