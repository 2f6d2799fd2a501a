// Schedules as a user would write them: backward passes in another order, replicas, segments.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/unit.hpp>

namespace foal::test {

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

using schedule::interleaved;

/// Two replicas that run in opposite directions, microbatches in turns (Chimera): sums, then updates at the end.
struct two_way {
  static constexpr char const* name = "two_way";
  static constexpr bool asynchronous = false;
  static constexpr schedule::placement placed = schedule::bidirectional;
  static constexpr bool proved_at_construction = true;  ///< not for N = 1, which leaves a replica without microbatches
  static constexpr int replicas = 2;

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    emit_late(e, sink, 0);
  }

  /// Backward passes, sums and updates are of so many microbatches before.
  template <class Sink>
  static constexpr void emit_late(schedule::extent e, Sink& sink, int late) {
    using schedule::op;
    using schedule::op_kind;
    std::vector<op> all;
    for (int m = 0; m < e.microbatches; ++m)
      for (int s = 0; s < e.stages; ++s) {
        int const in = m / 2 * 2;
        all.push_back({.kind = op_kind::F, .stage = s, .microbatch = m, .slot = in + s, .replica = m % 2});
        all.push_back(
            {.kind = op_kind::BW, .stage = s, .microbatch = m - late, .slot = in + 2 * e.stages - 1 - s, .replica = m % 2});
      }
    std::sort(all.begin(), all.end(), [](op const& x, op const& y) {
      if (x.slot != y.slot) return x.slot < y.slot;
      return x.replica != y.replica ? x.replica < y.replica : x.stage < y.stage;
    });
    for (op_kind const kind : {op_kind::G, op_kind::U})
      for (int s = e.stages - 1; s >= 0; --s)
        for (int k = 0; k < 2; ++k)
          all.push_back({.kind = kind, .stage = s, .microbatch = e.microbatches - 1 - late, .replica = k});
    for (op o : all) {
      o.slot = -1;
      sink(rank_of(e, o.stage, o.replica), o);
    }
  }
};

/// The same without a flush: forward passes are of the minibatch after the one on its way back.
struct two_way_live : two_way {
  static constexpr char const* name = "two_way_live";
  static constexpr bool asynchronous = true;

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    emit_late(e, sink, e.microbatches);
  }
};

/// What two_way emits for.
constexpr schedule::extent both_ways(int stages, int ranks, int microbatches = 4) {
  return {.stages = stages, .ranks = ranks, .microbatches = microbatches, .replicas = 2, .placed = schedule::bidirectional};
}

/// GPipe on sequences in two segments (Seq1F1B's order of one microbatch): backwards begin with the last segment.
struct in_segments {
  static constexpr char const* name = "in_segments";
  static constexpr bool asynchronous = false;
  static constexpr int segments = 2;

  template <class Sink>
  constexpr void emit(schedule::extent e, Sink& sink) const {
    using schedule::op;
    using schedule::op_kind;
    for (int s = 0; s < e.stages; ++s) {
      int const r = rank_of(e, s);
      for (int i = 0; i < 2 * e.microbatches; ++i)
        sink(r, op{.kind = op_kind::F, .stage = s, .microbatch = i / 2, .segment = i % 2});
      for (int i = 0; i < 2 * e.microbatches; ++i)
        sink(r, op{.kind = op_kind::BW, .stage = s, .microbatch = i / 2, .segment = 1 - i % 2});
      sink(r, op{.kind = op_kind::U, .stage = s, .microbatch = e.microbatches - 1});
    }
  }
};

}  // namespace foal::test
