// The channels of a phase by which replicas in different processes exchange parts and sums.
#pragma once

#include <vector>

#include <foal/executor/open_ends.hpp>
#include <foal/executor/sum_ends.hpp>

namespace foal::executor {

/// How many of them all processes have, at most: they have the numbers below.
inline int most_sums(table::run_tables const& t) { return 2 * static_cast<int>(t.units()) * t.replicas; }

/// Exchanges that a unit has in a phase of so many minibatches.
inline long long exchanges_of(table::run_tables const& t, bound_stage const& b, long long minibatches) {
  long long const before = b.updates - static_cast<long long>(b.version), every = t.replica.every;
  return (before + minibatches) / every - before / every;
}

/// The ends that are here, of all stages whose weights change. Message k is that of exchange k of the phase. Needs memory in
/// the phase, as open_ends() does.
inline std::vector<open_channel> open_sums(run_memory& memory, table::run_tables const& t, schedule::program_view v,
                                           long long minibatches) {
  std::vector<open_channel> all;
  if (t.replicas == 1 || t.phases.back().inference || memory.whole()) return all;
  int number = 0;
  std::vector<bound_stage>& units = memory.stages();
  for (int s = 0; s < v.size.stages; ++s) {
    if (v.wanted(s) != schedule::gradients::both) continue;
    for (int k = 0; k < t.replicas; ++k)
      for (int j = 0; j < t.replicas; ++j) {
        if (j == k) continue;
        int const part = number++, sum = number++;
        bound_stage &from = units[static_cast<std::size_t>(unit_of(v.size, s, k))],
                    &to = units[static_cast<std::size_t>(unit_of(v.size, s, j))];
        bool const sends = from.worker >= 0;
        if (sends == (to.worker >= 0)) continue;
        bound_stage const &here = sends ? from : to, &there = sends ? to : from;
        other_replica &out = toward(from, j), &in = toward(to, k);
        auto const open = [&](int of, transport::channel_kind kind, transport::inbox const& taken,
                              transport::outbox const& sent, transport::entry_slots const& slots) {
          all.push_back({{.id = {s, k, kind, j},
                          .number = of,
                          .sends = sends,
                          .out = taken,
                          .in = sent,
                          .entries = {slots},
                          .order = {{0}, 1, exchanges_of(t, here, minibatches)},
                          .begun = taken.through->produced.value.load(),
                          .queue = memory.queues().messages()},
                         elsewhere(there.worker)});
        };
        auto const bytes_of_part = [&](gradient_part p) { return bytes_of(t.types.gradients, p.count); };
        ring const &room = sends ? out.to : in.from, &results = here.results;
        open(part, transport::channel_kind::part, in.part_in, out.part_out,
             {room.base, room.stride, bytes_of_part(to.part), room.count});
        open(sum, transport::channel_kind::sum, in.sum_in, out.sum_out,
             {results.base + bytes_of(t.types.gradients, from.part.first), results.stride, bytes_of_part(from.part),
              results.count});
      }
  }
  return all;
}

}  // namespace foal::executor
