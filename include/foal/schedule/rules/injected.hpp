// Delays that the researcher chooses: the tool to study a delay without the pipeline that causes it.
#pragma once

#include <utility>
#include <vector>

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// F of microbatch m at stage s reads version max(0, floor((m - d_s)/N)), counted from the start of the phase; B reads the
/// current one. The lists are `sequential`'s, with slots. Needs one delay >= 0 per stage (fewer: the rest are 0). On other
/// schedules: foal::versions::injected.
struct injected {
  static constexpr char const* name = "injected";
  static constexpr bool asynchronous = true;

  std::vector<int> delays;     ///< d_s in microbatches
  bool whole_batches = false;  ///< run a minibatch as one microbatch where the delays allow it: whole-batch speed

  template <class F>
  constexpr void numbers(F&& f) const {
    f("delays", delays);
    f("whole_batches", whole_batches);
  }

  /// Where every delay is a multiple of N, all microbatches of a minibatch read the same versions: one microbatch of M * N
  /// samples does the same updates (sums are then in another order, and a batch norm sees the whole minibatch). Changes M, N
  /// and the delays accordingly, or nothing.
  constexpr void merge(int& microbatch_size, int& microbatches) {
    if (!whole_batches || microbatches < 1) return;
    for (int d : delays)
      if (d % microbatches != 0) return;
    for (int& d : delays) d /= microbatches;
    microbatch_size *= microbatches;
    microbatches = 1;
  }

  static constexpr int period(extent e) { return 2 * e.stages * e.microbatches; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    if (delays.size() > static_cast<std::size_t>(e.stages))
      throw error(sentence("cannot inject ", delays.size(), " delays, because there are ", e.stages,
                           " stages; give at most one delay per stage"));
    for (int d : delays) {
      if (d < 0)
        throw error(sentence("cannot inject a delay of ", d,
                             " microbatches, because a forward cannot read weights of later updates; give 0 or more"));
    }
    int const round = 2 * e.stages;
    for (int m = 0; m < e.microbatches; ++m) {
      for (int s = 0; s < e.stages; ++s)
        sink(rank_of(e, s), op{.kind = op_kind::F, .stage = s, .microbatch = m, .slot = round * m + s});
      for (int s = e.stages - 1; s >= 0; --s) {
        op o{.kind = op_kind::BW, .stage = s, .microbatch = m, .slot = round * (m + 1) - 1 - s};
        sink(rank_of(e, s), o);
        o.kind = op_kind::U;
        o.lane = 1;
        if (m == e.microbatches - 1) sink(rank_of(e, s), o);
      }
    }
  }
};

}  // namespace foal::schedule
