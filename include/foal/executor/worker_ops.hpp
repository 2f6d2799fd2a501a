// What a worker knows of each of its ops, in its order.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/executor/channel_ends.hpp>
#include <foal/executor/phase_state.hpp>
#include <foal/executor/tied_ends.hpp>
#include <foal/schedule/shares.hpp>

namespace foal::executor {

/// An op of a program's body. Numbers are those of the first period. Workers go through them again and again: one takes a
/// cache line.
struct alignas(alignment) worker_op {
  schedule::op_kind kind;
  bool last;    ///< of U: it is the last one of a minibatch
  bool tied;    ///< weights of its unit are tied to a stage that another process has
  bool evicts;  ///< F, or a backward, of a microbatch whose saved activations another rank, or the host, has in between
  int microbatch;
  int own;     ///< its microbatch, or segment, as the unit counts
  int summed;  ///< of U: the microbatches of its gradient
  bound_stage* unit;
  channel_ends ends;
  long long key;  ///< its place in the order of all ops
};
static_assert(sizeof(worker_op) == alignment);

/// The lists of some ranks in one, by (slot, rank, lane).
inline std::vector<worker_op> ops_of(phase_state const& shared, schedule::program_view program,
                                     std::vector<int> const& ranks) {
  std::vector<std::pair<long long, schedule::op const*>> order;
  for (int r : ranks)
    for (schedule::op const& o : program.rank(r)) order.emplace_back(shared.key(0, o, r), &o);
  std::stable_sort(order.begin(), order.end(), [](auto const& a, auto const& b) { return a.first < b.first; });

  std::vector<worker_op> all;
  op_ends const ends(program);
  schedule::shares const shares(program);
  for (auto const& [key, o] : order) {
    bound_stage& unit = (*shared.stages)[static_cast<std::size_t>(unit_of(program.size, o->stage, o->replica))];
    int const summed = shared.tables->replica.of_weights() ? shares.of(o->replica) : shares.consumed(*o);
    bool const evicts = (o->kind == schedule::op_kind::F || schedule::is_backward(o->kind)) &&
                        (unit.offloads || unit.evicted.has(static_cast<std::uint32_t>(std::max(o->microbatch, 0))));
    all.push_back({o->kind, shares.ends_minibatch(*o), tied_elsewhere(unit), evicts, o->microbatch, shares.own(*o), summed,
                   &unit, ends.of(unit, *o), key});
  }
  return all;
}

}  // namespace foal::executor
