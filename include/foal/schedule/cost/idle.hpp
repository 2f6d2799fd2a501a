// Why ranks are idle: each gap's reason, their sums, and what is left of them in the long run.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <foal/schedule/proof/replay.hpp>

namespace foal::schedule {

/// "to run B(stage 2, microbatch 0) on rank 2 it waits for B(stage 3, microbatch 0) on rank 3".
inline std::string text(gap const& g) {
  if (g.waits_rank < 0) return "nothing is left to run";
  return "to run " + text(g.before, g.rank) + " it waits for " + text(g.waits_for, g.waits_rank);
}

/// A rank's idle time by what it is for. Of a rank with several units, of all of them together.
struct idle_time {
  double fill = 0;     ///< before its first op
  double waiting = 0;  ///< between two ops
  double drain = 0;    ///< after its last op

  constexpr double sum() const { return fill + waiting + drain; }
};

/// By rank, of a replay.
constexpr std::vector<idle_time> idle_of(timing const& t) {
  std::vector<idle_time> all;
  for (rank_time const& r : t.rank) {
    idle_time idle{.fill = r.first, .waiting = 0, .drain = t.makespan - r.last};
    idle.waiting = r.idle - idle.fill - idle.drain;
    all.push_back(idle);
  }
  return all;
}

/// A minibatch in the middle of a long run, when the fill is over and the drain far. With a flush too minibatches overlap
/// where a rank begins its next one while others still end theirs.
struct steady_state {
  double minibatch = 0;      ///< how long one takes
  std::vector<double> idle;  ///< [rank] of it
  double from = 0;           ///< when one begins in `run`: its first microbatch enters stage 0
  timing run{};              ///< of some minibatches; gaps that begin in [from, from + minibatch) are those of one
};

/// Needs what replay() needs. All of it is exact where the program repeats itself after some minibatches.
constexpr steady_state steady_of(program_view v, costs const& cost = {}) {
  if (verdict const bad = prove(v); !bad) throw error(text(bad));
  int const fill = 1 + periods_late(v);
  // A rank that is not on the longest path works off its lead first, so a good part of a run is left out.
  int const skipped = 2 * fill + 4, window = 4;
  timing const a = replay_proved(v, cost, skipped);
  steady_state s;
  s.run = replay_proved(v, cost, skipped + window);
  s.minibatch = (s.run.makespan - a.makespan) / window;
  for (std::size_t r = 0; r < a.rank.size(); ++r)
    s.idle.push_back(s.minibatch - (s.run.rank[r].busy - a.rank[r].busy) / window);
  int const first = (fill + 2) * v.size.microbatches;
  for (auto const& events : s.run.events)
    for (event const& e : events)
      if (e.what.kind == op_kind::F && e.what.stage == 0 && e.what.microbatch == first && e.what.segment == 0)
        s.from = e.start;
  return s;
}

}  // namespace foal::schedule
