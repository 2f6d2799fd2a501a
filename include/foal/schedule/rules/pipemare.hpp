// PipeMare (Yang et al., MLSys 2021): every stage runs a forward and a backward side by side in each slot; nothing waits.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// In slot t rank r runs F of microbatch t - r, then BW of t - (2R - 1 - r), then U if that microbatch closes its minibatch.
/// Delay d = 2(R - r) - 1 microbatches, saved 2(R - r) at the peak and 2(R - r) - 1 after a slot. With several stages on a
/// rank, the rank is what stands for the stage here; its stages take lanes of one slot, F upwards, then BW and U downwards.
struct pipemare {
  static constexpr char const* name = "pipemare";
  static constexpr bool asynchronous = true;

  static constexpr int period(extent e) { return e.microbatches; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    for (int r = 0; r < e.ranks; ++r) {
      int const hosted = first_stage(e, r + 1) - first_stage(e, r);
      for (int t = 0; t < period(e); ++t) {
        emit_forward(e, r, t - r, sink, t, 0);
        emit_backward(e, r, t - (2 * e.ranks - 1 - r), sink, t, hosted);
      }
    }
  }
};

}  // namespace foal::schedule
