// PACI (Elam, Rahimi, Mendelson, Baskin, arXiv 2606.07881, 2026): 1F1B without flush whose stages update every so many
// backward passes and keep no old weights.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// async_1f1b with U after every `every` microbatches, and after the last one of a minibatch. For versions::live: with a =
/// every, between F and B of a microbatch at rank r come at most ceil((R - 1 - r) / a) updates, one where a >= R - 1 - r; F
/// is (R - 1 - r) / a updates late in the mean where a divides N, B is not late. Saved R - r; no bubble. Throws foal::error
/// where a is not 1 to N.
struct paci {
  static constexpr char const* name = "paci";
  static constexpr bool asynchronous = true;

  int every = 0;  ///< microbatches between two updates of a stage; 0: R, or N where there are fewer

  template <class F>
  constexpr void numbers(F&& f) const {
    f("every", every);
  }

  static constexpr int period(extent e) { return 2 * e.microbatches; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    int const n = e.microbatches, a = every != 0 ? every : (e.ranks < n ? e.ranks : n);
    if (a < 1 || a > n)
      throw error(sentence("cannot update every ", every, " microbatches (schedule paci), because a minibatch has ", n,
                           " and ends with an update: 1 <= every <= N; give .every of 1 to ", n, ", or 0 for that of R"));
    for (int r = 0; r < e.ranks; ++r) {
      for (int t = 0; t < period(e); ++t) {
        if (floor_mod(t - r, 2) == 0) {
          emit_forward(e, r, floor_div(t - r, 2), sink, t);
          continue;
        }
        int const m = floor_div(t - (2 * e.ranks - 1 - r), 2), position = floor_mod(m, n);
        emit_backward(e, r, m, (position + 1) % a == 0 || position == n - 1, sink, t);
      }
    }
  }
};

}  // namespace foal::schedule
