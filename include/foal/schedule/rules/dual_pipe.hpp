// DualPipe and DualPipeV (DeepSeek-AI: DeepSeek-V3 Technical Report, 2024; Qi, Wan, Amar, Lin for the V): a forward of one
// direction beside a backward of the other in the steady state.
#pragma once

#include <foal/core/error.hpp>
#include <foal/schedule/rules/chunk_list.hpp>

namespace foal::schedule {

namespace detail {

/// The eight steps of both, for `count` microbatches in each of two chunks: `first` is the one that has its forwards first.
/// Of `reach` ranks from one end to where the ways meet the list's is number `depth`. The two ops of a pair that may
/// overlap, F and BW, follow each other.
template <class List>
constexpr void emit_dual(List& list, int reach, int depth, int count, int first, int second) {
  int const after = reach - depth - 1;
  for (int i = 0; i < 2 * after; ++i) list.forward(first);
  for (int i = 0; i <= depth; ++i) list.forward(first), list.forward(second);
  for (int i = 0; i < after; ++i) list.backward(second), list.oldest_weight(), list.forward(second);
  for (int i = 0; i < count - 2 * reach + depth + 1; ++i) {
    list.forward(first), list.both(second);
    list.forward(second), list.both(first);
  }
  for (int i = 0; i < after; ++i) {
    list.both(second);
    list.forward(second), list.both(first);
  }
  // From the middle on backwards are split: of both chunks alike, the ranks of odd depth begin with the second one.
  bool split = false;
  auto const backward = [&](int c) {
    if (split)
      list.backward(c);
    else
      list.both(c);
  };
  for (int i = 0; i <= depth; ++i) {
    bool const middle = i == (depth + 1) / 2;
    split = split || (middle && depth % 2 == 1);
    backward(second);
    split = split || middle;
    backward(first);
  }
  for (int i = 0; i < after; ++i) list.oldest_weight(), list.backward(first);
  for (int i = 0; i <= depth; ++i) list.oldest_weight();
}

}  // namespace detail

/// Two replicas of every stage, which run in opposite directions: one enters at rank 0, the other at rank R - 1, and take
/// microbatches in turns. A pair of F and BW that may overlap is two ops here. Where it costs FB and sends at its end the
/// bubble is (R / 2 - 1)(FB + tB - 2 tW); here F sends at its own end, and with equal costs the bubble is R / 2 - 1, half of
/// that. A rank saves R + 1 microbatches, and has the weights twice, whose gradients are summed at the end. Any S >= R.
/// Throws foal::error for an odd R or N, or N < 2 R. Delay 0.
struct dual_pipe {
  static constexpr char const* name = "dual_pipe";
  static constexpr bool asynchronous = false;
  static constexpr placement placed = bidirectional;
  static constexpr int replicas = 2;
  static constexpr bool proved_at_construction = true;  ///< not for any N
  static constexpr int ranks(int stages) { return stages > 1 ? stages / 2 * 2 : 1; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    if (e.ranks % 2 != 0)
      throw error(sentence("cannot generate dual_pipe on ", e.ranks, " ranks with ", e.microbatches,
                           " microbatches, because its two directions meet between two ranks; use an even number of ranks"));
    if (e.microbatches % 2 != 0 || e.microbatches < 2 * e.ranks)
      throw error(sentence("cannot generate dual_pipe for ", e.microbatches, " microbatches on ", e.ranks,
                           " ranks, because each direction has half of them and needs R = ", e.ranks,
                           " to fill the ranks; use an even number from ", 2 * e.ranks, " on"));
    for (int r = 0; r < e.ranks; ++r) {
      chunk down = chunk_of(e, e.ranks - 1 - r);
      down.replica = 1;
      chunk_list list(e, r, {chunk_of(e, r), down}, sink);
      bool const behind = r >= e.ranks / 2;  // the nearer end is the last rank
      detail::emit_dual(list, e.ranks / 2, behind ? e.ranks - 1 - r : r, e.microbatches / 2, behind ? 1 : 0, behind ? 0 : 1);
    }
    emit_updates(e, sink);
  }
};

}  // namespace foal::schedule
