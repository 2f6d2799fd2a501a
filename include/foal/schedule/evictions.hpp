// What a rank saves for a time on another one: which microbatches, so that none holds too many, and how many it then holds.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/schedule/edges.hpp>

namespace foal::schedule {

/// By microbatch of a minibatch: whether what a stage saves of it is evicted. Needs evictions that prove() accepts.
constexpr std::vector<char> evicted_of(program_view v, int stage) {
  std::vector<char> is(static_cast<std::size_t>(v.size.microbatches), 0);
  for (eviction const& x : v.evictions)
    if (x.stage == stage) is[static_cast<std::size_t>(x.microbatch)] = 1;
  return is;
}

/// Microbatches of a stage, at most: on its own rank, and on that which its evicted ones go to. An evicted one is on its own
/// rank while F or the backward runs, and from the end of the one to the begin of the other also, or only, there.
struct held_microbatches {
  int here = 0, there = 0;
};
constexpr held_microbatches held_of(std::span<op const> list, int stage, std::vector<char> const& evicted) {
  held_microbatches now, most;
  for (op const& o : list) {
    if (o.stage != stage || !(o.kind == op_kind::F || is_backward(o.kind))) continue;
    bool const forward = o.kind == op_kind::F, moves = evicted[static_cast<std::size_t>(o.microbatch)] != 0;
    if (forward || moves) ++now.here;
    most.here = std::max(most.here, now.here);
    if (moves) now.there += forward ? 1 : -1;
    most.there = std::max(most.there, now.there);
    if (!forward || moves) --now.here;
  }
  return most;
}

/// The evictions with which no rank r < R/2 has more than `limit` microbatches of its own: where an F, or the backward of an
/// evicted one, would be one too many, the newest has gone to rank R-1-r. Needs a synchronous program of one replica and
/// segment that prove() accepts, and a limit of 1 or more.
constexpr std::vector<eviction> balanced_evictions(program_view v, int limit) {
  std::vector<eviction> all;
  for (int r = 0; r < v.size.ranks / 2; ++r) {
    std::vector<int> stages;
    for (op const& o : v.rank(r))
      if (std::find(stages.begin(), stages.end(), o.stage) == stages.end()) stages.push_back(o.stage);
    for (int const s : stages) {
      std::vector<int> here, gone;
      auto const make_room = [&] {
        if (static_cast<int>(here.size()) < limit) return;
        gone.push_back(here.back());
        all.push_back({s, here.back(), v.size.ranks - 1 - r});
        here.pop_back();
      };
      for (op const& o : v.rank(r)) {
        if (o.stage != s) continue;
        if (o.kind == op_kind::F) {
          make_room();
          here.push_back(o.microbatch);
        } else if (is_backward(o.kind)) {
          if (std::find(gone.begin(), gone.end(), o.microbatch) != gone.end())
            make_room();
          else
            here.erase(std::find(here.begin(), here.end(), o.microbatch));
        }
      }
    }
  }
  return all;
}

}  // namespace foal::schedule
