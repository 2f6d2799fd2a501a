// What the generators share: a rank's neighbouring stages as one unit that runs a microbatch through all of them.
#pragma once

#include <foal/schedule/program.hpp>

namespace foal::schedule {

/// Emits F of `microbatch` through the stages of `rank`, first to last. With slot >= 0 they take that slot's lanes from
/// `lane`.
template <class Sink>
constexpr void emit_forward(extent e, int rank, int microbatch, Sink& sink, int slot = -1, int lane = 0) {
  for (int s = first_stage(e, rank); s < first_stage(e, rank + 1); ++s) {
    sink(rank, op{.kind = op_kind::F, .stage = s, .microbatch = microbatch, .slot = slot, .lane = slot < 0 ? 0 : lane});
    ++lane;
  }
}

/// Emits BW of `microbatch` through the stages of `rank`, last to first; U right after a stage's BW where it `updates`. With
/// slot >= 0 the i-th stage takes that slot's lanes lane + 2i (BW) and lane + 2i + 1 (U).
template <class Sink>
constexpr void emit_backward(extent e, int rank, int microbatch, bool updates, Sink& sink, int slot, int lane = 0) {
  for (int s = first_stage(e, rank + 1) - 1; s >= first_stage(e, rank); --s) {
    op o{.kind = op_kind::BW, .stage = s, .microbatch = microbatch, .slot = slot, .lane = slot < 0 ? 0 : lane};
    sink(rank, o);
    if (updates) {
      o.kind = op_kind::U;
      if (slot >= 0) ++o.lane;
      sink(rank, o);
    }
    lane += 2;
  }
}

/// The same with U where the microbatch closes its minibatch.
template <class Sink>
constexpr void emit_backward(extent e, int rank, int microbatch, Sink& sink, int slot = -1, int lane = 0) {
  bool const closes = floor_mod(microbatch, e.microbatches) == e.microbatches - 1;
  emit_backward(e, rank, microbatch, closes, sink, slot, lane);
}

}  // namespace foal::schedule
