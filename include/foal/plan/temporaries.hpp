// Where temporary tensors of a stage lie.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <foal/table/run_tables.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// Temporary tensors of F, B and W share a region: a worker runs one op at a time. place: by tensor, bytes from the region's
/// begin. Gives the region's size.
inline std::size_t pack_temporaries(table::stage_table const& t, int samples, std::vector<std::size_t>& place) {
  place.assign(t.tensors.size(), 0);
  std::size_t region = 0;
  for (int op : {0, 1, 2}) {
    std::vector<interval_buffer> buffers;
    std::vector<std::size_t> which, offset;
    for (std::size_t x = 0; x < t.tensors.size(); ++x) {
      table::tensor const& y = t.tensors[x];
      if (y.where != table::place::temporary || y.first_step < 0) continue;
      if (op != (y.weight ? 2 : y.backward ? 1 : 0)) continue;
      buffers.push_back({y.bytes(samples), y.first_step, y.last_step});
      which.push_back(x);
    }
    region = std::max(region, pack_intervals(buffers, offset));
    for (std::size_t i = 0; i < which.size(); ++i) place[which[i]] = offset[i];
  }
  return region;
}

/// Whether F of a unit keeps nothing in some phase: its stage is recomputed there, or has no backward.
inline bool keeps_nothing(table::run_tables const& t, std::size_t unit) {
  return std::any_of(t.phases.begin(), t.phases.end(), [&](table::phase_table const& ph) {
    return ph.facts.stage[unit].head >= 0 || ph.wanted(static_cast<int>(t.stage_of(unit))) == schedule::gradients::none;
  });
}

/// Places behind a region for what F writes where it keeps nothing, and for what R at the end of a recompute group sends to
/// nobody. Gives the size of the whole.
inline std::size_t place_transient(table::stage_table const& t, int samples, std::size_t region,
                                   std::vector<std::size_t>& place) {
  for (std::size_t x = 0; x < t.tensors.size(); ++x) {
    table::place const where = t.tensors[x].where;
    if (t.tensors[x].backward || (where != table::place::kept && where != table::place::wire_out)) continue;
    place[x] = region;
    region += padded(t.tensors[x].bytes(samples));
  }
  return region;
}

/// Of a unit: its temporaries, and where F keeps nothing in some phase, behind them what is written for nobody. Places by
/// tensor. Gives the size of the whole.
inline std::size_t place_temporaries(table::run_tables const& t, int samples, std::size_t unit,
                                     std::vector<std::size_t>& temporary, std::vector<std::size_t>& transient) {
  table::stage_table const& stage = t.of_unit(unit);
  std::size_t const region = pack_temporaries(stage, samples, temporary);
  transient.assign(stage.tensors.size(), 0);
  return keeps_nothing(t, unit) ? place_transient(stage, samples, region, transient) : region;
}

}  // namespace foal::executor
