// Sums over replicas: the part of a stage's gradients that each replica adds up, and the rooms in which it gets them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/table/run_tables.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Slots in which a part arrives at another replica. One is enough: who sends that of minibatch k + 1 has had its update k,
/// so it has the sums of minibatch k of all replicas, and each of them has read what came for it. Where gradients are used a
/// minibatch late, two: it has had the sums of k - 1. A part that leaves the process lies in as many slots until it does.
inline std::uint32_t sum_slots(table::run_tables const& t) {
  return t.replica.what == replica::exchanged::late_gradients ? 2 : 1;
}

/// Of the gradients of a stage, in the layout of its trained parameters.
struct gradient_part {
  long long first = 0, count = 0;
};

/// What a replica adds up of a stage: one part for each, of equal size (the last ones may have less, or nothing), which
/// begin at multiples of a cache line.
inline gradient_part part_of(table::run_tables const& t, std::size_t stage, int replica) {
  long long const all = t.stages[stage].trained_elements,
                  line = static_cast<long long>(alignment / bytes_of(t.types.gradients, 1));
  long long const each = ((all + t.replicas - 1) / t.replicas + line - 1) / line * line;
  long long const first = std::min(all, replica * each);
  return {first, std::min(each, all - first)};
}

/// Bytes that all replicas of a stage send in a minibatch: parts to who adds them up, and their sums back to all others.
inline long long sent_bytes(table::run_tables const& t, std::size_t stage) {
  return 2 * (t.replicas - 1) * static_cast<long long>(bytes_of(t.types.gradients, t.stages[stage].trained_elements));
}

/// Elements of an optimizer's state k that a unit has: of all that it trains, or, where replicas share states out, of its
/// part, which lie as the weights do.
inline long long state_elements(table::run_tables const& t, std::size_t unit, int k) {
  return t.replica.shards() ? part_of(t, t.stage_of(unit), static_cast<int>(unit / t.stages.size())).count
                            : t.of_unit(unit).state_elements[k];
}

/// Numbers in the plan, by other replica of a unit's stage, ascending.
struct sum_rooms {
  std::vector<std::size_t> from;  ///< for its share of this one's part
  std::vector<std::size_t> to;    ///< for this one's share of its part, until that has left the process; 0: nothing leaves
};

/// Plans the rooms of a unit. hosted(unit): whether this process does; elsewhere a part goes by a message, from a room here.
template <class Hosted>
sum_rooms plan_sums(table::run_tables const& t, memory_plan& plan, std::size_t unit, int worker, Hosted const& hosted) {
  sum_rooms rooms;
  std::size_t const stage = t.stage_of(unit);
  auto const add = [&](char const* what, std::size_t replica) {
    std::size_t const one = padded(bytes_of(t.types.gradients, part_of(t, stage, static_cast<int>(replica)).count));
    return plan.add(what, category::wires, worker, static_cast<int>(stage), sum_slots(t) * one, t.types.gradients);
  };
  bool const weights = t.replica.of_weights();
  std::size_t const own = unit / t.stages.size();
  for (std::size_t k = 0; k < static_cast<std::size_t>(t.replicas); ++k) {
    if (k == own) continue;
    rooms.from.push_back(add(weights ? "weights of another replica" : "gradients of another replica", own));
    rooms.to.push_back(hosted(k * t.stages.size() + stage)
                           ? 0
                           : add(weights ? "weights for another replica" : "gradients for another replica", k));
  }
  return rooms;
}

/// Where replicas exchange weights: the reference of all that a unit trains, and behind it, where the policy has one, the
/// momentum of its own part. The number in the plan.
inline std::size_t plan_reference(table::run_tables const& t, memory_plan& plan, std::size_t unit, int worker) {
  std::size_t const stage = t.stage_of(unit), all = padded(bytes_of(t.types.weights, t.stages[stage].trained_elements));
  long long const own = part_of(t, stage, static_cast<int>(unit / t.stages.size())).count;
  return plan.add("reference weights of replicas", category::optimizer, worker, static_cast<int>(stage),
                  all + (t.replica.momentum ? padded(bytes_of(t.types.weights, own)) : 0), t.types.weights);
}

}  // namespace foal::executor
