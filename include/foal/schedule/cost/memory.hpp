// What ranks keep for their backwards while a program runs, from the times of a replay.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/proof/replay.hpp>

namespace foal::schedule {

/// Activation units of a rank: one is what the forward of a chunk saves of a microbatch (or of a segment of one).
struct rank_memory {
  int peak = 0;
  std::vector<std::pair<double, int>> curve;  ///< (time, units held from then on), times rise
};

/// Per unit (stage, replica) the lowest unit of its chunk: the neighbouring stages of a rank under `contiguous` and
/// `bidirectional`, the placement's chunks under `loop` and `vee`, every stage by itself under any other. Needs a program
/// that is well_formed().
constexpr std::vector<int> chunks_of(program_view v) {
  std::vector<int> const rank = ranks_of(v);
  std::vector<int> chunk(rank.size(), 0);
  extent const e = v.size;
  bool const joins = e.placed == contiguous || e.placed == bidirectional;
  spread const of{e.stages, e.ranks, e.replicas, e.placed.chunks};
  for (int u = 0; u < units(e); ++u) {
    auto const i = static_cast<std::size_t>(u);
    int const s = stage_of(e, u), beside = of.beside(replica_of(e, u)).count;
    bool const same = s > 0 && rank[i - 1] == rank[i] && (joins || of.chunk(beside, s - 1) == of.chunk(beside, s));
    chunk[i] = same ? chunk[i - 1] : u;
  }
  return chunk;
}

/// Per rank what it holds over the time of `t`, which is a replay of `v`. A chunk's unit is held from the start of its first
/// F (its first R where that stage is recomputed: the input that F keeps for it is not counted) to the end of its last W or
/// BW; of B, or F, where stages have nothing later. A unit that goes when another comes makes room for it.
constexpr std::vector<rank_memory> saved_over_time(program_view v, timing const& t) {
  std::vector<int> const chunk = chunks_of(v), heads = recompute_groups_of(v);
  int last = -1;
  for (auto const& events : t.events)
    for (event const& e : events) last = std::max(last, e.what.microbatch);
  struct span {
    double from = -1, to = 0;
  };
  auto const row = static_cast<std::size_t>(last + 1) * static_cast<std::size_t>(v.size.segments);
  std::vector<rank_memory> all;
  std::vector<span> held(chunk.size() * row, span{});
  for (auto const& events : t.events) {
    std::vector<std::pair<double, int>> steps;
    std::vector<std::size_t> used;
    for (event const& e : events) {
      op const& o = e.what;
      if (o.kind == op_kind::U || o.kind == op_kind::G || o.kind == op_kind::T) continue;
      auto const unit = static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica));
      bool const recomputed = !heads.empty() && heads[static_cast<std::size_t>(o.stage)] >= 0;
      if (recomputed && o.kind == op_kind::F) continue;
      std::size_t const cell =
          static_cast<std::size_t>(chunk[unit]) * row + static_cast<std::size_t>(o.microbatch * v.size.segments + o.segment);
      span& s = held[cell];
      if (s.from < 0) s.from = e.start, used.push_back(cell);
      s.from = std::min(s.from, e.start);
      s.to = std::max(s.to, e.end);
    }
    for (std::size_t const cell : used) {
      steps.push_back({held[cell].from, 1});
      steps.push_back({held[cell].to, -1});
    }
    std::sort(steps.begin(), steps.end());
    rank_memory m;
    int units = 0;
    for (std::size_t i = 0; i < steps.size();) {
      double const time = steps[i].first;
      for (; i < steps.size() && !(time < steps[i].first); ++i) units += steps[i].second;
      if (m.curve.empty() || m.curve.back().second != units) m.curve.push_back({time, units});
      m.peak = std::max(m.peak, units);
    }
    all.push_back(std::move(m));
  }
  return all;
}

}  // namespace foal::schedule
