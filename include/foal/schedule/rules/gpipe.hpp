// GPipe (Huang et al., NeurIPS 2019): all forwards of a minibatch, then all backwards, then the update.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// Backward runs the microbatches in order 0..N-1 (the paper's autograd runs N-1..0): the order in which gradients are
/// summed is part of a run's bits, so it is pinned, and equal to that of the other schedules here. Saves N microbatches;
/// delay 0.
struct gpipe {
  static constexpr char const* name = "gpipe";
  static constexpr bool asynchronous = false;

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    for (int r = 0; r < e.ranks; ++r) {
      for (int m = 0; m < e.microbatches; ++m) emit_forward(e, r, m, sink);
      for (int m = 0; m < e.microbatches; ++m) emit_backward(e, r, m, sink);
    }
  }
};

}  // namespace foal::schedule
