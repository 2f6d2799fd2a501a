// AMDP (Chen, Wu, Yu, ICML 2026, arXiv 2605.29664): many pipelines through the same ranks, two microbatches on their way in
// each.
#pragma once

#include <foal/schedule/rules/slotted.hpp>

namespace foal::schedule {

/// R / 2 replicas, half of them up and half down over the ranks, every pair beginning 4 ranks further on than the one before
/// it. Each lets in two microbatches, 2 slots apart, and two more when those have come back, 2 R slots later; with equal ops
/// the pipelines fill each other's gaps without one to spare. So no more than one update lies between F and B of a
/// microbatch, for versions::live, and that at stage 0 alone, of the first R / 2 microbatches of a minibatch. Sums and
/// updates of a stage come after the last BW of a minibatch. Saved: R of a rank's chunks at the peak. Needs R = 2 or
/// a multiple of 4, replicas = R / 2, S >= R and N >= replicas; throws foal::error otherwise. The order is that of the
/// authors' program for 8 ranks (github.com/Vinsmoke86/AMDP).
struct amdp {
  static constexpr char const* name = "amdp";
  static constexpr bool asynchronous = true;
  static constexpr bool proved_at_construction = true;  ///< not for any N, R
  static constexpr placement placed = bidirectional;

  int replicas = 2;

  constexpr int ranks(int) const { return 2 * replicas; }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("replicas", replicas);
  }

  static constexpr int period(extent e) { return 4 * e.ranks * rounds(e); }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    if (e.ranks != 2 * e.replicas || (e.ranks != 2 && e.ranks % 4 != 0))
      throw error(sentence("cannot generate amdp for ", e.replicas, " replicas on ", e.ranks,
                           " ranks, because pipelines of two microbatches fill R ranks where there are R / 2, in pairs that "
                           "begin 4 ranks apart; use 2 ranks or a multiple of 4, and .replicas of half as many"));
    if (e.stages < e.ranks)
      throw error(sentence("cannot generate amdp for ", e.stages, " stages on ", e.ranks,
                           " ranks, because every rank hosts a stage of every replica: S >= R; use ", e.stages,
                           " ranks or fewer, or ", e.ranks, " stages"));
    detail::require_shares(name, e);
    detail::slotted ops(e, period(e));
    for (int s = 0; s < e.stages; ++s) {
      int const chunk = contiguous_rank(e, s);
      int last = 0;
      for (int m = 0; m < e.microbatches; ++m) {
        int const in = m % e.ranks, start = 2 * e.ranks * (m / e.ranks) + 2 * (in / e.replicas), replica = in % e.replicas;
        last = 2 * (start + 2 * e.ranks - 1 - chunk);
        ops.add(op_kind::F, s, m, replica, 2 * (start + chunk));
        ops.add(op_kind::BW, s, m, replica, last);
      }
      ops.add_update(s, last + 1);
    }
    ops.emit(sink);
  }

 private:
  static constexpr int rounds(extent e) { return (e.microbatches + e.ranks - 1) / e.ranks; }
};

}  // namespace foal::schedule
