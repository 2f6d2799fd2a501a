// The proof of a program's evictions: each microbatch goes once to one other rank, and no rank holds more than it may.
#pragma once

#include <vector>

#include <foal/schedule/evictions.hpp>
#include <foal/schedule/proof/timeline.hpp>

namespace foal::schedule::detail {

/// Whether a stage's rank may evict what it saves: see flaw::evictor.
constexpr bool may_evict(program_view const& v, timeline const& t, int stage) {
  if (v.asynchronous || v.size.replicas != 1 || v.size.segments != 1 || v.wanted(stage) != gradients::both ||
      t.rule.recomputed(stage))
    return false;
  int forward = -1, backward = -1;
  for (op const& o : v.rank(t.rank[static_cast<std::size_t>(stage)])) {
    if (o.stage != stage) continue;
    if (o.kind == op_kind::B || o.kind == op_kind::W) return false;
    if (o.kind != op_kind::F && o.kind != op_kind::BW) continue;
    int& last = o.kind == op_kind::F ? forward : backward;
    if (o.microbatch <= last) return false;
    last = o.microbatch;
  }
  return true;
}

/// Each eviction is of a microbatch's F and BW, at most one, and goes from the stage's rank to one other.
constexpr verdict prove_moves(program_view const& v, timeline const& t) {
  int const n = v.size.microbatches;
  std::vector<int> to(static_cast<std::size_t>(v.size.stages), -1);
  std::vector<int> times(static_cast<std::size_t>(v.size.stages * n), 0);
  for (eviction const& x : v.evictions) {
    op const o{.kind = op_kind::F, .stage = x.stage, .microbatch = x.microbatch};
    if (x.stage < 0 || x.stage >= v.size.stages)
      return {.what = flaw::range, .first = o, .found = x.stage, .expected = v.size.stages};
    int const home = t.rank[static_cast<std::size_t>(x.stage)];
    if (x.microbatch < 0 || x.microbatch >= n)
      return {.what = flaw::range, .first = o, .first_rank = home, .found = x.microbatch, .expected = n};
    int& of_stage = to[static_cast<std::size_t>(x.stage)];
    if (of_stage < 0 && !may_evict(v, t, x.stage)) return {.what = flaw::evictor, .first = o, .first_rank = home};
    if (x.to < 0 || x.to >= v.size.ranks || x.to == home || (of_stage >= 0 && of_stage != x.to))
      return {.what = flaw::acceptor, .first = o, .first_rank = home, .found = x.to, .expected = of_stage};
    of_stage = x.to;
    if (int const count = ++times[static_cast<std::size_t>(x.stage * n + x.microbatch)]; count > 1)
      return {.what = flaw::evicted, .first = o, .first_rank = home, .found = count, .expected = 1};
  }
  return {};
}

/// Of a rank's stages the one with the most counts, and of those that evict to it, the one of each rank.
constexpr verdict prove_held(program_view const& v, timeline const& t) {
  auto const ranks = static_cast<std::size_t>(v.size.ranks);
  std::vector<int> own(ranks, 0), others(ranks * ranks, 0);
  for (int s = 0; s < v.size.stages; ++s) {
    int const home = t.rank[static_cast<std::size_t>(s)];
    held_microbatches const held = held_of(v.rank(home), s, evicted_of(v, s));
    int& most = own[static_cast<std::size_t>(home)];
    most = std::max(most, held.here);
    for (eviction const& x : v.evictions) {
      if (x.stage != s) continue;
      int& there = others[static_cast<std::size_t>(x.to) * ranks + static_cast<std::size_t>(home)];
      there = std::max(there, held.there);
      break;
    }
  }
  for (std::size_t r = 0; r < ranks; ++r) {
    int sum = own[r];
    for (std::size_t k = 0; k < ranks; ++k) sum += others[r * ranks + k];
    if (sum > v.most_held)
      return {.what = flaw::held, .first_rank = static_cast<int>(r), .found = sum, .expected = v.most_held};
  }
  return {};
}

/// Needs a program whose ops are proved.
constexpr verdict prove_evictions(program_view const& v, timeline const& t) {
  if (verdict const bad = prove_moves(v, t); !bad) return bad;
  return v.most_held > 0 ? prove_held(v, t) : verdict{};
}

}  // namespace foal::schedule::detail
