// Tied weights between stages: the rings in which versions and gradients travel.
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

/// In a list of entries of the plan: there is none here.
inline constexpr std::size_t not_here = ~std::size_t{0};

/// Plans the rings of the loans of a home unit, for each its versions, then its gradients. They lie with the home, or, where
/// another process hosts that, with the borrower, which then has the same in its own memory; not_here where neither is.
/// worker_of(unit): negative where another process hosts it. Gives their numbers in the plan.
template <class WorkerOf>
std::vector<std::size_t> plan_lent(table::run_tables const& t, memory_plan& plan, std::size_t unit, WorkerOf worker_of) {
  std::vector<std::size_t> numbers;
  std::size_t const home = t.stage_of(unit);
  table::stage_table const& table = t.stages[home];
  for (table::loan const& l : table.loans) {
    bool const hosted = worker_of(unit) >= 0;
    int const stage = hosted ? static_cast<int>(home) : l.stage;
    int const worker = hosted ? worker_of(unit) : worker_of(unit - home + static_cast<std::size_t>(l.stage));
    auto const add = [&](char const* what, element type) {
      std::size_t const one = detail::slot_bytes(type, table.parameters[static_cast<std::size_t>(l.parameter)]);
      std::size_t const bytes = one * static_cast<std::size_t>(lent_slots(t, home));
      numbers.push_back(worker < 0 ? not_here : plan.add(what, category::wires, worker, stage, bytes, type));
    };
    add("tied weights on their way", t.types.weights);
    add("gradients of tied weights on their way", t.types.gradients);
  }
  return numbers;
}

}  // namespace foal::executor
