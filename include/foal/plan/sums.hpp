// Sums over replicas: the rooms in which the gradients of one replica arrive at another.
#pragma once

#include <cstdint>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/table/run_tables.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Slots in which a replica's gradients arrive at another one. Two are always enough: who sends the sum of minibatch k + 2
/// has summed k + 1, so the other one has sent k + 1, after its own update k.
inline constexpr std::uint32_t sum_slots = 2;

/// Throws a sentence where another process hosts a rank. worker_of: of each rank.
inline void check_sums(table::run_tables const& t, std::vector<int> const& worker_of) {
  for (int const worker : worker_of)
    require(t.replicas == 1 || worker >= 0, "cannot spread ", t.replicas,
            " replicas over processes, because their gradients are summed in the memory of one; train them in one process");
}

/// Plans the rooms of a unit of a stage: for each other replica, ascending. Gives their numbers in the plan.
inline std::vector<std::size_t> plan_sums(table::run_tables const& t, memory_plan& plan, std::size_t stage, int worker) {
  std::vector<std::size_t> rooms;
  std::size_t const one = padded(bytes_of(t.types.gradients, t.stages[stage].trained_elements));
  for (int other = 1; other < t.replicas; ++other)
    rooms.push_back(plan.add("gradients of another replica", category::wires, worker, static_cast<int>(stage),
                             sum_slots * one, t.types.gradients));
  return rooms;
}

}  // namespace foal::executor
