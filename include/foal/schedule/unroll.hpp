// A program written out: every op of a run of some minibatches, with the fill at its start and the drain at its end.
#pragma once

#include <foal/schedule/proof/well_formed.hpp>

namespace foal::schedule {

/// Per rank the ops of `minibatches` minibatches, in execution order; microbatches count from the first of the run, slots
/// from the start of the first period. Takes any program that is well_formed(), proved or not; throws foal::error with its
/// sentence otherwise, and where the run is too long to be written out.
constexpr std::vector<std::vector<op>> unroll(program_view v, int minibatches) {
  if (verdict const bad = well_formed(v); !bad) throw error(text(bad));
  int const n = v.size.microbatches;
  int const drain = periods_late(v);
  long long const periods = static_cast<long long>(minibatches) + drain, period = v.period > 0 ? v.period : 1;
  if (minibatches < 0 || static_cast<long long>(minibatches) * n > largest_slot || periods * period > 4LL * largest_slot)
    throw error(sentence("cannot write out ", minibatches, " minibatches of ", n, " microbatches, ", period,
                         " slots each, because their numbers are below 0 or beyond what is counted; write out fewer"));
  int const total = n * minibatches;
  std::vector<std::vector<op>> run(static_cast<std::size_t>(v.size.ranks));
  for (int r = 0; r < v.size.ranks; ++r) {
    for (int i = 0; i < minibatches + drain; ++i) {
      for (op o : v.rank(r)) {
        o.microbatch += i * n;
        if (o.slot >= 0) o.slot += i * v.period;
        if (o.microbatch >= 0 && o.microbatch < total) run[static_cast<std::size_t>(r)].push_back(o);
      }
    }
  }
  return run;
}

/// True if the program rebuilds activations. Takes any program.
constexpr bool recomputes(program_view v) {
  for (op const& o : v.ops) {
    if (o.kind == op_kind::R) return true;
  }
  return false;
}

/// True if some rank runs a forward and a backward in one slot: it then stands for a forward and a backward unit side by
/// side. Needs a program that is well_formed().
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
