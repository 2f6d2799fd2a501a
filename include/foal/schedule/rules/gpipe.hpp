// GPipe (Huang et al., NeurIPS 2019): all forwards of a minibatch, then all backwards, then the update.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// Backwards run the microbatches in order 0..N-1; `newest_first` has N-1..0, as the paper's autograd does: what a rank ran
/// last is then first to be used and freed. Gradients are summed in that order, so it is part of a run's bits: only 0..N-1
/// leaves those of the other schedules here. Takes (N+R-1)(F+BW) either way, saves N microbatches; delay 0.
struct gpipe {
  static constexpr char const* name = "gpipe";
  static constexpr bool asynchronous = false;

  bool newest_first = false;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("newest_first", newest_first);
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    int const n = e.microbatches;
    for (int r = 0; r < e.ranks; ++r) {
      for (int m = 0; m < n; ++m) emit_forward(e, r, m, sink);
      if (newest_first)
        emit_newest_first(e, r, sink);
      else
        for (int m = 0; m < n; ++m) emit_backward(e, r, m, sink);
    }
  }

 private:
  template <class Sink>
  static constexpr void emit_newest_first(extent e, int r, Sink& sink) {
    int const n = e.microbatches;
    for (int m = n - 1; m >= -1; --m)  // -1: the updates, which no microbatch that closes its minibatch comes before
      for (int s = first_stage(e, r + 1) - 1; s >= first_stage(e, r); --s)
        sink(r, op{.kind = m < 0 ? op_kind::U : op_kind::BW, .stage = s, .microbatch = m < 0 ? n - 1 : m});
  }
};

}  // namespace foal::schedule
