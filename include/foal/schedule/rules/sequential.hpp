// No pipelining: each microbatch runs through all stages forward and back before the next one starts.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// One op runs at any time, whatever the number of ranks. Saves one microbatch; delay 0.
struct sequential {
  static constexpr char const* name = "sequential";
  static constexpr bool asynchronous = false;

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    for (int r = 0; r < e.ranks; ++r) {
      for (int m = 0; m < e.microbatches; ++m) {
        emit_forward(e, r, m, sink);
        emit_backward(e, r, m, sink);
      }
    }
  }
};

}  // namespace foal::schedule
