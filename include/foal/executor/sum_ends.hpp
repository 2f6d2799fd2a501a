// The channels and rooms by which gradients go from replica to replica: parts to who adds them up, and their sums back.
#pragma once

#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/plan/run_plan.hpp>

namespace foal::executor {

/// Of one unit from one other replica.
struct sum_channels {
  transport::channel part, sum;
};

/// Every unit and the same stage of every other replica. channels: [u * replicas + k], from replica k to unit u. at(entry):
/// where an entry of the plan lies; bell_of(unit): its worker's. Needs that all units are hosted here, as run_plan does.
template <class At, class BellOf>
void bind_sums(table::run_tables const& t, run_plan const& plan, std::vector<bound_stage>& units,
               flat_table<sum_channels>& channels, At at, BellOf bell_of) {
  auto const stages = t.stages.size(), replicas = static_cast<std::size_t>(t.replicas);
  bool const of_weights = t.replica.of_weights();
  for (std::size_t u = 0; replicas > 1 && u < units.size(); ++u) {
    if (plan.unit(u).sums.empty()) continue;
    std::byte* const to = of_weights ? at(plan.unit(u).reference) : units[u].g;
    units[u].results = {to, plan.gradient_bytes(u), sum_slots(t)};
    if (t.replica.momentum) units[u].outer = to + padded(bytes_of(t.types.weights, units[u].table->trained_elements));
  }
  for (std::size_t u = 0; replicas > 1 && u < units.size(); ++u) {
    if (plan.unit(u).sums.empty()) continue;
    bound_stage& b = units[u];
    auto const mine = static_cast<std::size_t>(b.replica);
    auto const part = [&](std::size_t k) { return part_of(t, t.stage_of(u), static_cast<int>(k)); };
    auto const arrives = [&](std::size_t unit, std::size_t from) {  // of a replica, at a unit of another one
      std::size_t const i = from < unit / stages ? from : from - 1;
      return ring{at(plan.unit(unit).sums[i]), padded(bytes_of(t.types.gradients, part(unit / stages).count)), sum_slots(t)};
    };
    b.part = part(mine);
    for (std::size_t k = 0; k < replicas; ++k) {
      if (k == mine) continue;
      std::size_t const other = k * stages + static_cast<std::size_t>(b.number);
      other_replica& r = b.others.emplace_back();
      r.part = part(k);
      r.from = arrives(u, k);
      r.to = arrives(other, mine);
      r.results = units[other].results;
      sum_channels &in = channels[u * replicas + k], &out = channels[other * replicas + mine];
      r.part_in.through = &in.part;
      r.sum_in.through = &in.sum;
      r.part_out.through = &out.part;
      r.sum_out.through = &out.sum;
      for (transport::inbox* i : {&r.part_in, &r.sum_in}) i->sender = &bell_of(units[other]);
      for (transport::outbox* o : {&r.part_out, &r.sum_out}) o->receiver = &bell_of(units[other]);
    }
  }
}

}  // namespace foal::executor
