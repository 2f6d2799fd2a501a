// What ranks hold where the first half of them lends saved microbatches to the last half (BPipe), from the times of a
// replay.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/cost/memory.hpp>

namespace foal::schedule {

struct balanced_memory {
  std::vector<rank_memory> rank;  ///< what it holds: its own that it has not lent, and what it has been lent
  std::vector<int> moves;         ///< of its own, out and back, in the replay; 0 for ranks that lend nothing
};

/// Per rank what it holds over the time of `t`, a replay of `v`, if rank r < R/2 keeps `limit` microbatches of its own and
/// rank R-1-r the rest. A rank lends the one that it needs last, when a forward begins that would be one too many, and has
/// one back when its backward begins. Moves take no time here: each has that of the op before it, and they cost two messages
/// of all that a rank saves of a microbatch. Units are a rank's share of a microbatch.
///
/// Needs a program of one replica and one segment whose ranks have a chunk each, without recomputation or W, and a limit of
/// 1 or more; throws a sentence otherwise, and where the other rank would hold more than `limit` itself.
constexpr balanced_memory balance_memory(program_view v, timing const& t, int limit) {
  int const ranks = v.size.ranks;
  if (v.size.replicas != 1 || v.size.segments != 1 || recomputes(v) || !(v.size.placed == contiguous) || limit < 1)
    throw error(
        sentence("cannot balance the memory of ", v.size.replicas, " replicas and ", v.size.segments, " segments placed ",
                 v.size.placed.name, ", with ", limit,
                 " microbatches a rank, because ranks lend microbatches of one chunk of neighbouring stages; use one "
                 "replica and segment, placed contiguous, without recomputation, and a limit of 1 or more"));
  for (op const& o : v.ops)
    if (o.kind == op_kind::W)
      throw error(
          sentence("cannot balance the memory of ", ranks, " ranks with ", limit,
                   " microbatches a rank, because W is an op of its own, and what waits for it cannot be lent; use a "
                   "schedule with BW"));
  struct step {
    double time = 0;
    int what = 0;  // in this order at one time: freed, needed, saved
    int rank = 0, microbatch = 0;
  };
  std::vector<step> steps;
  for (int r = 0; r < ranks; ++r) {
    struct life {
      double saved = -1, needed = -1, freed = -1;
    };
    std::vector<life> lives;
    for (event const& e : t.events[static_cast<std::size_t>(r)]) {
      bool const forward = e.what.kind == op_kind::F, backward = is_backward(e.what.kind);
      if (!forward && !backward && e.what.kind != op_kind::W) continue;
      auto const m = static_cast<std::size_t>(e.what.microbatch);
      if (lives.size() <= m) lives.resize(m + 1);
      life& x = lives[m];
      if (forward && x.saved < 0) x.saved = e.start;
      if (!forward && x.needed < 0) x.needed = e.start;
      x.freed = e.end;
    }
    for (std::size_t m = 0; m < lives.size(); ++m) {
      steps.push_back({lives[m].saved, 2, r, static_cast<int>(m)});
      if (lives[m].needed >= 0) steps.push_back({lives[m].needed, 1, r, static_cast<int>(m)});
      steps.push_back({lives[m].freed, 0, r, static_cast<int>(m)});
    }
  }
  std::sort(steps.begin(), steps.end(), [](step const& x, step const& y) {
    if (x.time != y.time) return x.time < y.time;
    return x.what != y.what ? x.what < y.what : x.rank < y.rank;
  });

  auto const all = static_cast<std::size_t>(ranks);
  balanced_memory out;
  out.rank.resize(all);
  out.moves.assign(all, 0);
  std::vector<std::vector<int>> here(all), lent(all);  // a rank's own microbatches, ascending, by where they are
  auto const holds = [&](int r) {
    return static_cast<int>(here[static_cast<std::size_t>(r)].size() + lent[static_cast<std::size_t>(ranks - 1 - r)].size());
  };
  auto const remove = [](std::vector<int>& from, int m) {
    auto const at = std::find(from.begin(), from.end(), m);
    bool const was = at != from.end();
    if (was) from.erase(at);
    return was;
  };
  for (step const& s : steps) {
    auto const r = static_cast<std::size_t>(s.rank);
    bool const lends = s.rank < ranks / 2;
    auto const make_room = [&] {
      if (!lends || static_cast<int>(here[r].size()) < limit) return;
      lent[r].push_back(here[r].back());
      here[r].pop_back();
      ++out.moves[r];
    };
    auto const arrives = [&](int m) { here[r].insert(std::upper_bound(here[r].begin(), here[r].end(), m), m); };
    if (s.what == 0) {
      remove(here[r], s.microbatch);
    } else if (s.what == 2) {
      make_room();
      arrives(s.microbatch);
    } else if (remove(lent[r], s.microbatch)) {
      make_room();
      arrives(s.microbatch);
      ++out.moves[r];
    }
    for (int const x : {s.rank, ranks - 1 - s.rank}) {
      rank_memory& m = out.rank[static_cast<std::size_t>(x)];
      int const units = holds(x);
      m.peak = std::max(m.peak, units);
      if (!m.curve.empty() && m.curve.back().first == s.time) m.curve.pop_back();
      if (m.curve.empty() || m.curve.back().second != units) m.curve.push_back({s.time, units});
    }
  }
  for (int r = 0; r < ranks; ++r) {
    int const peak = out.rank[static_cast<std::size_t>(r)].peak;
    if (peak > limit)
      throw error(sentence("cannot balance the memory of ", ranks, " ranks with ", limit,
                           " microbatches on each, because rank ", r, " would hold ", peak, "; give them more"));
  }
  return out;
}

}  // namespace foal::schedule
