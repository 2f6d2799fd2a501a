// 1F1B with flush (PipeDream-flush, DAPPLE): after a short fill every rank alternates one forward and one backward.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// Rank r runs min(R-1-r, N) forwards first, so it saves min(R-r, N) microbatches instead of GPipe's N, in the same time.
/// Delay 0.
struct one_f_one_b {
  static constexpr char const* name = "one_f_one_b";
  static constexpr bool asynchronous = false;

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    int const n = e.microbatches;
    for (int r = 0; r < e.ranks; ++r) {
      int const fill = e.ranks - 1 - r < n ? e.ranks - 1 - r : n;
      for (int m = 0; m < fill; ++m) emit_forward(e, r, m, sink);
      for (int m = 0; m < n; ++m) {
        if (m + fill < n) emit_forward(e, r, m + fill, sink);
        emit_backward(e, r, m, sink);
      }
    }
  }
};

}  // namespace foal::schedule
