// What a worker knows of each of its ops, in its order.
#pragma once

#include <algorithm>
#include <tuple>
#include <vector>

#include <foal/executor/channel_ends.hpp>
#include <foal/executor/phase_state.hpp>
#include <foal/schedule/shares.hpp>

namespace foal::executor {

/// An op of a program's body. Numbers are those of the first period.
struct worker_op {
  schedule::op what;
  int rank;
  bound_stage* unit;
  channel_ends ends;
  int own;  ///< its microbatch, and how many a minibatch has, as the unit counts
  int share;
  int summed;  ///< of U: the microbatches of its gradient, and whether it is the last one of a minibatch
  bool last;
  long long key;  ///< its place in the order of all ops
};

/// The lists of some ranks in one, by (slot, rank, lane).
inline std::vector<worker_op> ops_of(phase_state const& shared, schedule::program_view program,
                                     std::vector<int> const& ranks) {
  std::vector<worker_op> all;
  op_ends const ends(program);
  schedule::shares const shares(program);
  for (int r : ranks)
    for (schedule::op const& o : program.rank(r)) {
      bound_stage& unit = (*shared.stages)[static_cast<std::size_t>(unit_of(program.size, o.stage, o.replica))];
      all.push_back({o, r, &unit, ends.of(unit, o), shares.own(o), shares.of(o.replica), shares.consumed(o),
                     shares.ends_minibatch(o), shared.key(0, o, r)});
    }
  std::stable_sort(all.begin(), all.end(), [](worker_op const& a, worker_op const& b) {
    return std::tuple(a.what.slot, a.rank, a.what.lane) < std::tuple(b.what.slot, b.rank, b.what.lane);
  });
  return all;
}

}  // namespace foal::executor
