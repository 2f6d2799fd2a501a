// PipeDream's 1F1B without flush (Harlap et al. 2018, Narayanan et al. SOSP 2019): ranks alternate F and BW for ever.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// F of microbatch m at half-slot 2m + r, BW at half-slot 2m + 2R - 1 - r, U right after the BW that closes a minibatch.
/// Delay d = R - 1 - r microbatches, saved R - r. With several stages on a rank, the rank is what stands for the stage here.
struct async_1f1b {
  static constexpr char const* name = "async_1f1b";
  static constexpr bool asynchronous = true;

  static constexpr int period(extent e) { return 2 * e.microbatches; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    for (int r = 0; r < e.ranks; ++r) {
      for (int t = 0; t < period(e); ++t) {
        if (floor_mod(t - r, 2) == 0)
          emit_forward(e, r, floor_div(t - r, 2), sink, t);
        else
          emit_backward(e, r, floor_div(t - (2 * e.ranks - 1 - r), 2), sink, t);
      }
    }
  }
};

}  // namespace foal::schedule
