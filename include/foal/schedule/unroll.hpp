// A program written out: every op of a run of some minibatches, with the fill at its start and the drain at its end.
#pragma once

#include <foal/schedule/program.hpp>

namespace foal::schedule {

/// Per rank the ops of `minibatches` minibatches, in execution order; microbatches count from the first of the run, slots
/// from the start of the first period.
constexpr std::vector<std::vector<op>> unroll(program_view v, int minibatches) {
  int const n = v.size.microbatches, total = n * minibatches;
  int drain = 0;
  for (op const& o : v.ops) drain = -floor_div(o.microbatch, n) > drain ? -floor_div(o.microbatch, n) : drain;
  std::vector<std::vector<op>> run(static_cast<std::size_t>(v.size.ranks));
  for (int r = 0; r < v.size.ranks; ++r) {
    for (int period = 0; period < minibatches + drain; ++period) {
      for (op o : v.rank(r)) {
        o.microbatch += period * n;
        if (o.slot >= 0) o.slot += period * v.period;
        if (o.microbatch >= 0 && o.microbatch < total) run[static_cast<std::size_t>(r)].push_back(o);
      }
    }
  }
  return run;
}

/// True if the program rebuilds activations.
constexpr bool recomputes(program_view v) {
  for (op const& o : v.ops) {
    if (o.kind == op_kind::R) return true;
  }
  return false;
}

/// True if some rank runs a forward and a backward in one slot: it then stands for a forward and a backward unit side by
/// side.
constexpr bool two_units(program_view v) {
  for (int r = 0; r < v.size.ranks; ++r) {
    op const* last = nullptr;
    bool forward = false, backward = false;
    for (op const& o : v.rank(r)) {
      if (last != nullptr && last->slot != o.slot) forward = backward = false;
      forward = forward || o.kind == op_kind::F;
      backward = backward || is_backward(o.kind);
      if (forward && backward && o.slot >= 0) return true;
      last = &o;
    }
  }
  return false;
}

}  // namespace foal::schedule
