// Inference: forwards alone, pipelined over the ranks.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// In slot t rank r runs F of microbatch t - r; a period is N microbatches, and the next one follows without a gap. Saves
/// nothing; a wire holds two microbatches between ranks, one between stages of a rank.
struct forward_only {
  static constexpr char const* name = "forward_only";
  static constexpr bool asynchronous = true;
  static constexpr bool inference = true;  ///< the program has no backward and no update

  static constexpr int period(extent e) { return e.microbatches; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    for (int r = 0; r < e.ranks; ++r) {
      for (int t = 0; t < period(e); ++t) emit_forward(e, r, t - r, sink, t);
    }
  }
};

}  // namespace foal::schedule
