// What the tests of schedules whose backward is split share: what a program takes in a replay, and the order of its lists.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <catch2/catch.hpp>

#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/replay.hpp>

namespace foal::test {

/// What tables of schedules list: of the rank that is idle longest, and the peaks of all ranks in chunks.
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

/// Durations of F, B and W; costs::overlaps.
struct durations {
  double forward = 1, backward = 1, weight = 1, message = 0;
  std::span<char const> overlaps{};
};

inline schedule_facts facts_of(schedule::program p, durations const& d = {}) {
  schedule::timing const t = schedule::replay(
      p.view(),
      {.forward = d.forward, .backward = d.backward, .weight = d.weight, .message = d.message, .overlaps = d.overlaps});
  schedule_facts out{.makespan = t.makespan, .bubble = t.span_bubble, .peaks = {}};
  for (schedule::rank_time const& r : t.rank) out.idle = std::max(out.idle, r.idle);
  for (schedule::rank_memory const& m : schedule::saved_over_time(p.view(), t)) out.peaks.push_back(m.peak);
  return out;
}

/// The schedule for S stages on R ranks, N microbatches.
template <class G>
schedule_facts facts_of(G const& g, int stages, int ranks, int n, durations const& d = {}) {
  return facts_of(schedule::generate(g, schedule::extent_of(g, stages, ranks, n)), d);
}

/// The lists of both but for U and G are the same ops in the same order.
inline bool same_order(schedule::program a, schedule::program b) {
  schedule::program_view const x = a.view(), y = b.view();
  if (x.size.ranks != y.size.ranks) return false;
  auto const ops = [](schedule::program_view v, int r) {
    std::vector<schedule::op> list;
    for (schedule::op o : v.rank(r)) {
      if (o.kind == schedule::op_kind::U || o.kind == schedule::op_kind::G) continue;
      o.slot = -1, o.lane = 0;
      list.push_back(o);
    }
    return list;
  };
  for (int r = 0; r < x.size.ranks; ++r)
    if (ops(x, r) != ops(y, r)) return false;
  return true;
}

/// The program is proved, the W's (or BW's) of every stage run in the order of their microbatches, and a stage is where the
/// placement says.
template <class G>
void check_runs(G const& g, int stages, int ranks, int n) {
  schedule::extent const e = schedule::extent_of(g, stages, ranks, n);
  schedule::program p = schedule::generate(g, e);
  schedule::program_view const v = p.view();
  INFO(G::name << ": " << schedule::text(schedule::prove(v)));
  REQUIRE(schedule::prove(v));
  std::vector<int> last(static_cast<std::size_t>(schedule::units(e)), -1);
  for (int r = 0; r < ranks; ++r)
    for (schedule::op const& o : v.rank(r)) {
      if (r != schedule::rank_of(e, o.stage, o.replica)) FAIL("a stage elsewhere");
      if (!schedule::adds_weight_gradient(o.kind)) continue;
      int& before = last[static_cast<std::size_t>(schedule::unit_of(e, o.stage, o.replica))];
      if (o.microbatch <= before) FAIL("W's of a stage out of order");
      before = o.microbatch;
    }
}

}  // namespace foal::test
