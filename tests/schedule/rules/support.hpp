// What tests of schedules ask of a program: its times in a replay, and what ranks hold.
#pragma once

#include <string>
#include <vector>

#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/generate.hpp>

namespace foal::test {

/// Of the worst rank: makespan, makespan - busy, span - busy; and what each rank holds at most, in chunks.
struct measured {
  double makespan = 0, idle = 0, span_bubble = 0;
  std::vector<int> peaks;
};

template <class G>
constexpr measured measure(G const& g, int stages, int ranks, int microbatches, schedule::costs const& cost = {}) {
  schedule::program p = schedule::generate(g, schedule::extent_of(g, stages, ranks, microbatches));
  schedule::timing const t = schedule::replay(p.view(), cost);
  measured m{t.makespan, 0, t.span_bubble, {}};
  for (schedule::rank_time const& r : t.rank)
    if (r.idle > m.idle) m.idle = r.idle;
  for (schedule::rank_memory const& r : schedule::saved_over_time(p.view(), t)) m.peaks.push_back(r.peak);
  return m;
}

/// True if a program takes so long, its worst rank is idle so long, and ranks hold so many chunks.
template <class G>
constexpr bool takes(G const& g, schedule::extent e, schedule::costs const& cost, double makespan, double idle,
                     std::vector<int> const& peaks) {
  measured const m = measure(g, e.stages, e.ranks, e.microbatches, cost);
  return m.makespan == makespan && m.idle == idle && m.peaks == peaks;
}

/// Why a schedule's program does not run; empty where it does.
template <class G>
std::string flaw_of(G const& g, int stages, int ranks, int microbatches) {
  try {
    schedule::program p = schedule::generate(g, schedule::extent_of(g, stages, ranks, microbatches));
    schedule::verdict const v = schedule::prove(p.view());
    return v ? std::string() : schedule::text(v);
  } catch (error const& e) {
    return e.what();
  }
}

}  // namespace foal::test
