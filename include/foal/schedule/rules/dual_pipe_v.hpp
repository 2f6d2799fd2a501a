// DualPipeV (Qi and others, Sea AI Lab: "Cut-in-half" of DeepSeek's DualPipe, 2025): DualPipe on a V, without its second
// copy of the weights.
#pragma once

#include <foal/schedule/rules/dual_pipe.hpp>

namespace foal::schedule {

/// Two chunks a rank on a V. A pair of F and BW that may overlap is two ops here. Where it costs FB and sends at its end the
/// bubble is (R - 1)(FB + tB - 2 tW) in times of a chunk; here F sends at its own end, and with equal costs the bubble is
/// R - 1, half of that. A rank saves 2 R + 1 chunks of a microbatch. Any S >= R: chunks of different length where S is not 2
/// R. Throws foal::error for N < 2 R. W's run in order, so that it has the bits of `sequential`. Delay 0.
struct dual_pipe_v {
  static constexpr char const* name = "dual_pipe_v";
  static constexpr bool asynchronous = false;
  static constexpr placement placed = vee.in(2);
  static constexpr bool proved_at_construction = true;  ///< not for any N
  static constexpr int ranks(int stages) { return (stages + 1) / 2; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    if (e.microbatches < 2 * e.ranks)
      throw error(sentence("cannot generate dual_pipe_v for ", e.microbatches, " microbatches on ", e.ranks,
                           " ranks, because it takes 2 R of them to fill the way up and down: N >= 2 R = ", 2 * e.ranks,
                           "; use ", 2 * e.ranks, " or more, or zb_v, which takes any number"));
    for (int r = 0; r < e.ranks; ++r) {
      chunk_list list(e, r, {half_of(e, r, 0), half_of(e, r, 1)}, sink);
      detail::emit_dual(list, e.ranks, r, e.microbatches, 0, 1);
    }
  }
};

}  // namespace foal::schedule
