// The channels and rooms by which the sums of a minibatch go from replica to replica.
#pragma once

#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/plan/run_plan.hpp>

namespace foal::executor {

/// Every unit's sums go to the same stage of every other replica. channels: [u * replicas + k], from replica k to unit u.
/// at(entry): where an entry of the plan lies; bell_of(unit): its worker's. Needs that all units are hosted here, as
/// run_plan does.
template <class At, class BellOf>
void bind_sums(table::run_tables const& t, run_plan const& plan, std::vector<bound_stage>& units,
               flat_table<transport::channel>& channels, At at, BellOf bell_of) {
  auto const stages = t.stages.size(), replicas = static_cast<std::size_t>(t.replicas);
  for (std::size_t u = 0; replicas > 1 && u < units.size(); ++u) {
    if (plan.unit(u).sums.empty()) continue;
    bound_stage& b = units[u];
    auto const mine = static_cast<std::size_t>(b.replica);
    std::size_t const bytes = padded(bytes_of(t.types.gradients, b.table->trained_elements));
    auto const arrives = [&](std::size_t unit, std::size_t from) {  // of a replica, at a unit of another one
      std::size_t const i = from < unit / stages ? from : from - 1;
      return ring{at(plan.unit(unit).sums[i]), bytes, sum_slots};
    };
    for (std::size_t k = 0; k < replicas; ++k) {
      if (k == mine) continue;
      std::size_t const other = k * stages + static_cast<std::size_t>(b.number);
      other_replica& r = b.others.emplace_back();
      r.from = arrives(u, k);
      r.to = arrives(other, mine);
      r.in.through = &channels[u * replicas + k];
      r.in.sender = r.out.receiver = &bell_of(units[other]);
      r.out.through = &channels[other * replicas + mine];
    }
  }
}

}  // namespace foal::executor
