// Tied weights between stages: the rings of the home stage in which versions and gradients travel.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/table/run_tables.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Slots of a ring of a home stage; see lent_parameter, in executor/bound_stage.hpp, for why they are enough.
inline int lent_slots(table::run_tables const& t, std::size_t home) {
  int gap = 0;
  for (auto const& phase : t.phases) gap = std::max(gap, phase.facts.stage[home].version_gap);
  return gap + 1;
}

namespace detail {

inline std::size_t slot_bytes(element type, table::parameter_row const& p) { return padded(bytes_of(type, p.size)); }

}  // namespace detail

/// Bytes of all rings of a home stage.
inline std::size_t lent_bytes(table::run_tables const& t, std::size_t home) {
  std::size_t sum = 0;
  for (table::loan const& l : t.stages[home].loans) {
    table::parameter_row const& p = t.stages[home].parameters[static_cast<std::size_t>(l.parameter)];
    sum += detail::slot_bytes(t.types.weights, p) + detail::slot_bytes(t.types.gradients, p);
  }
  return sum * static_cast<std::size_t>(lent_slots(t, home));
}

/// Plans the rings of a home stage: for each loan its versions, then its gradients. Gives their numbers in the plan.
inline std::vector<std::size_t> plan_lent(table::run_tables const& t, memory_plan& plan, std::size_t home, int worker) {
  std::vector<std::size_t> numbers;
  table::stage_table const& table = t.stages[home];
  for (table::loan const& l : table.loans) {
    auto const add = [&](char const* what, element type) {
      std::size_t const one = detail::slot_bytes(type, table.parameters[static_cast<std::size_t>(l.parameter)]);
      numbers.push_back(plan.add(what, category::wires, worker, static_cast<int>(home),
                                 one * static_cast<std::size_t>(lent_slots(t, home)), type));
    };
    add("tied weights on their way", t.types.weights);
    add("gradients of tied weights on their way", t.types.gradients);
  }
  return numbers;
}

}  // namespace foal::executor
