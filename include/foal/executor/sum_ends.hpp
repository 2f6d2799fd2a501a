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

/// Of a unit, its end of what it exchanges with a replica.
inline other_replica& toward(bound_stage& b, int replica) {
  return b.others[static_cast<std::size_t>(replica < b.replica ? replica : replica - 1)];
}

/// Every unit and the same stage of every other replica. channels: [u * replicas + k], from replica k to unit u. at(entry):
/// where an entry of the plan lies; bell_of(unit): its worker's.
///
/// Within a process a part is written where it is added up, a sum where it is used, and no slot is given back: see
/// sum_slots. Between processes, where a message is on its way for a while, both are, so that nothing is written while a
/// transport may read or write there:
///
/// - A part's slot at its sender is free when it has left. Who takes the sum of an exchange sees that the slot is free in
///   which its part of the next one goes. That waits for nobody else: a sum is there only if all its parts have come.
/// - A part's slot at its receiver is free when the part has been added up.
/// - A sum leaves from where its adder uses it: this waits until it has left for everyone. It leaves as soon as the other
///   has sent its own part of the exchange, as the adder has had that.
/// - A sum's slot is free for it when the unit that it comes to has sent all its own parts of that exchange: what was there
///   before is then in these, or has been used. So as a phase begins no slot is.
template <class At, class BellOf>
void bind_sums(table::run_tables const& t, run_plan const& plan, std::vector<bound_stage>& units,
               flat_table<sum_channels>& channels, At at, BellOf bell_of) {
  if (t.replicas == 1 || t.phases.back().inference) return;
  auto const stages = t.stages.size(), replicas = static_cast<std::size_t>(t.replicas);
  std::uint32_t const slots = sum_slots(t);
  bool const of_weights = t.replica.of_weights();
  for (std::size_t u = 0; u < units.size(); ++u) {
    units[u].part = part_of(t, t.stage_of(u), units[u].replica);
    if (!plan.hosts(u)) continue;
    std::byte* const to = of_weights ? at(plan.unit(u).reference) : units[u].g;
    units[u].results = {to, plan.gradient_bytes(u), slots};
    if (t.replica.momentum) units[u].outer = to + padded(bytes_of(t.types.weights, units[u].table->trained_elements));
  }
  auto const room = [&](std::size_t entry, gradient_part p) {
    return ring{at(entry), padded(bytes_of(t.types.gradients, p.count)), slots};
  };
  for (std::size_t u = 0; u < units.size(); ++u) {
    bound_stage& b = units[u];
    auto const mine = static_cast<std::size_t>(b.replica);
    for (std::size_t k = 0; k < replicas; ++k) {
      if (k == mine) continue;
      std::size_t const other = k * stages + static_cast<std::size_t>(b.number);
      std::size_t const here = k < mine ? k : k - 1, there = mine < k ? mine : mine - 1;  // among the others
      other_replica& r = b.others.emplace_back();
      r.unit = units[other].unit;
      r.part = units[other].part;
      if (plan.hosts(u)) r.from = room(plan.unit(u).sums.from[here], b.part);
      if (plan.hosts(u))
        r.to =
            plan.hosts(other) ? room(plan.unit(other).sums.from[there], r.part) : room(plan.unit(u).sums.to[here], r.part);
      r.results = units[other].results;
      bool const leaves = plan.hosts(u) != plan.hosts(other);
      sum_channels &in = channels[u * replicas + k], &out = channels[other * replicas + mine];
      r.part_in.through = &in.part;
      r.sum_in.through = &in.sum;
      r.part_out.through = &out.part;
      r.sum_out.through = &out.sum;
      for (transport::inbox* i : {&r.part_in, &r.sum_in}) i->sender = &bell_of(units[other]), i->transit = leaves;
      for (transport::outbox* o : {&r.part_out, &r.sum_out})
        o->receiver = &bell_of(units[other]), o->transit_slots = leaves ? slots : 0;
    }
  }
}

namespace detail {

/// A unit has sent all its parts of so many exchanges: the slots of their sums are free.
inline std::uint32_t sums_used(bound_stage const& b, std::uint32_t parts_out) { return parts_out - b.results.count; }

}  // namespace detail

/// As a phase begins, when the channels are empty.
inline void begin_sums(std::vector<bound_stage>& units) {
  for (bound_stage& b : units)
    for (other_replica& r : b.others)
      if (b.worker >= 0 && r.sum_in.transit) r.sum_in.through->read.value = detail::sums_used(b, 0);
  for (bound_stage& b : units)
    for (other_replica& r : b.others) {
      r.part_in.seen = r.sum_in.seen = 0;
      r.part_out.seen_read = 0;
      r.sum_out.seen_read = r.sum_out.through->read.value;
    }
}

/// As the units' counts say that the channels are.
inline void restore_sums(table::run_tables const& t, std::vector<bound_stage>& units) {
  for (bound_stage& b : units)
    for (other_replica& r : b.others) {
      message_counts const& n = b.messages;
      std::uint32_t const sums_out = t.replica.shards() ? b.gradients_given : n.parts_in;
      r.part_out.through->produced.value = n.parts_out;
      r.sum_out.through->produced.value = sums_out;
      if (b.worker < 0) continue;
      if (r.part_in.transit) {
        r.part_out.through->read.value = n.parts_out;
        r.sum_out.through->read.value = sums_out;
        r.part_in.through->read.value = n.parts_in;
        r.sum_in.through->read.value = detail::sums_used(b, n.parts_out);
      }
    }
}

}  // namespace foal::executor
