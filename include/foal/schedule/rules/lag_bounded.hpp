// FTPipe's admission rule (Eliad, Hakimi, De Jager, Silberstein, Schuster, USENIX ATC 2021): a forward runs where so few
// microbatches are on their way, else a backward.
#pragma once

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// Rank r runs F where done_F - done_B <= d_r, else BW: F of microbatch m comes right before BW of m - d_r. With L = lag,
/// d_r is max(0, L - r), so no F is more than L microbatches late, and none at all from rank L on. L = R - 1 is async_1f1b;
/// FTPipe's `supremum` of staleness is R - L. What it costs: the ranks from L on run a microbatch forward and back before
/// the next one, which takes 2 (R - L) slots instead of 2. Saved d_r + 1. Throws foal::error where lag is below -1.
struct lag_bounded {
  static constexpr char const* name = "lag_bounded";
  static constexpr bool asynchronous = true;

  int lag = -1;  ///< microbatches, at most; -1, or more than R - 1: R - 1

  template <class F>
  constexpr void numbers(F&& f) const {
    f("lag", lag);
  }

  constexpr int period(extent e) const { return step(e) * e.microbatches; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    if (lag < -1)
      throw error(sentence("cannot bound lags by ", lag,
                           " microbatches (schedule lag_bounded), because a forward is not ahead "
                           "of its weights; give .lag of 0 or more, or -1 for one less than there are ranks"));
    int const most = bound(e), every = step(e), early = most > 0 ? (every - 2) * (most - 1) : 0;
    for (int r = 0; r < e.ranks; ++r) {
      // A rank below `most` starts its forwards so early that each lies right before the backward that it must not follow.
      int const below = most - r, forward = early + r - (below > 0 ? (every - 2) * (below - 1) : 0);
      int const backward = early + 2 * e.ranks - 1 - r;
      for (int t = 0; t < every * e.microbatches; ++t) {
        if (floor_mod(t - forward, every) == 0) emit_forward(e, r, floor_div(t - forward, every), sink, t);
        if (floor_mod(t - backward, every) == 0) emit_backward(e, r, floor_div(t - backward, every), sink, t);
      }
    }
  }

 private:
  constexpr int bound(extent e) const { return lag < 0 || lag > e.ranks - 1 ? e.ranks - 1 : lag; }
  constexpr int step(extent e) const { return 2 * (e.ranks - bound(e)); }
};

}  // namespace foal::schedule
