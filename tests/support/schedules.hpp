// Schedules as a user would write them: W as an op of its own, backward passes in another order.
#pragma once

#include <algorithm>

#include <foal/schedule/rules/unit.hpp>

namespace foal::test {

/// 1F1B whose W is an op of its own, `late` microbatches after its B (rank r delays by up to its fill).
struct late_weights {
  static constexpr char const* name = "late_weights";
  static constexpr bool asynchronous = false;
  bool all_at_the_end = false;

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    using schedule::op;
    using schedule::op_kind;
    int const n = e.microbatches;
    for (int r = 0; r < e.ranks; ++r) {
      int const fill = std::min(e.ranks - 1 - r, n), late = all_at_the_end ? n : fill;
      auto const each = [&](op_kind kind, int m, bool upwards) {
        int const first = first_stage(e, r), last = first_stage(e, r + 1) - 1;
        for (int i = 0; i <= last - first; ++i)
          sink(r, op{.kind = kind, .stage = upwards ? first + i : last - i, .microbatch = m});
      };
      for (int m = 0; m < fill; ++m) each(op_kind::F, m, true);
      for (int m = 0; m < n + late; ++m) {
        if (m + fill < n) each(op_kind::F, m + fill, true);
        if (m < n) each(op_kind::B, m, false);
        if (m >= late) each(op_kind::W, m - late, false);
      }
      each(op_kind::U, n - 1, false);
    }
  }
};

/// GPipe as its authors' autograd runs it: backward from the last microbatch to the first.
struct last_in_first_out {
  static constexpr char const* name = "last_in_first_out";
  static constexpr bool asynchronous = false;

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    using schedule::op;
    using schedule::op_kind;
    int const n = e.microbatches;
    for (int r = 0; r < e.ranks; ++r) {
      for (int m = 0; m < n; ++m) schedule::emit_forward(e, r, m, sink);
      for (int m = n - 1; m >= 0; --m)
        for (int s = first_stage(e, r + 1) - 1; s >= first_stage(e, r); --s)
          sink(r, op{.kind = op_kind::BW, .stage = s, .microbatch = m});
      for (int s = first_stage(e, r + 1) - 1; s >= first_stage(e, r); --s)
        sink(r, op{.kind = op_kind::U, .stage = s, .microbatch = n - 1});
    }
  }
};

}  // namespace foal::test
