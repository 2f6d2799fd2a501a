// What tests of schedules ask of a program: its times in a replay, and what ranks hold.
#pragma once

#include <string>
#include <vector>

#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/generate.hpp>

namespace foal::test {

/// What tables of schedules list: makespan, and of the worst rank makespan - busy and span - busy; the peaks of all ranks in
/// chunks.
struct schedule_facts {
  double makespan = 0, idle = 0, bubble = 0;
  std::vector<int> peaks;

  bool operator==(schedule_facts const&) const = default;
};

template <class T>
T& operator<<(T& out, schedule_facts const& f) {
  out << "makespan " << f.makespan << ", idle " << f.idle << ", bubble " << f.bubble << ", peaks";
  for (int const p : f.peaks) out << " " << p;
  return out;
}

constexpr schedule_facts facts_of(schedule::program p, schedule::costs const& cost = {}) {
  schedule::timing const t = schedule::replay(p.view(), cost);
  schedule_facts f{t.makespan, 0, t.span_bubble, {}};
  for (schedule::rank_time const& r : t.rank)
    if (r.idle > f.idle) f.idle = r.idle;
  for (schedule::rank_memory const& r : schedule::saved_over_time(p.view(), t)) f.peaks.push_back(r.peak);
  return f;
}

/// The schedule for S stages on R ranks, N microbatches.
template <class G>
constexpr schedule_facts facts_of(G const& g, int stages, int ranks, int microbatches, schedule::costs const& cost = {}) {
  return facts_of(schedule::generate(g, schedule::extent_of(g, stages, ranks, microbatches)), cost);
}

/// True if a program takes so long, its worst rank is idle so long, and ranks hold so many chunks.
template <class G>
constexpr bool takes(G const& g, schedule::extent e, schedule::costs const& cost, double makespan, double idle,
                     std::vector<int> const& peaks) {
  schedule_facts const m = facts_of(g, e.stages, e.ranks, e.microbatches, cost);
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
