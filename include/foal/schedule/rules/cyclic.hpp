// Cyclic data parallelism (Fournier, Oyallon, arXiv 2403.08837, 2024): replicas that run one after the other instead of side
// by side.
#pragma once

#include <foal/schedule/rules/slotted.hpp>

namespace foal::schedule {

/// Every replica runs one microbatch at a time through all stages and back, 2 S slots, and each begins 2 S / replicas slots
/// after the one before it. So the activations of all replicas together are the same at any time: N (N + 1) / 2 of a stage's
/// where there are N stages, replicas and microbatches, instead of N^2 at the peak. The sum of a stage's gradients, and U,
/// come right after its last BW. With versions::double_buffered this is CDP-v1: every op is one update late. With
/// versions::stash CDP-v2: at stage s replica i reads the new weights where s + i >= N - 1, else those before. Microbatches
/// go to replicas in turns. Throws foal::error where a replica has none.
struct cyclic {
  static constexpr char const* name = "cyclic";
  static constexpr bool asynchronous = true;
  static constexpr bool proved_at_construction = true;  ///< not for any N

  int replicas = 2;

  constexpr int ranks(int) const { return replicas; }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("replicas", replicas);
  }

  static constexpr int period(extent e) { return 4 * e.stages * rounds(e); }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    detail::require_shares(name, e);
    detail::slotted ops(e, period(e));
    int const whole = 2 * e.stages, last = e.microbatches - 1;
    for (int m = 0; m <= last; ++m) {
      for (int s = 0; s < e.stages; ++s) {
        ops.add(op_kind::F, s, m, m % e.replicas, 2 * (start(e, m) + s));
        ops.add(op_kind::BW, s, m, m % e.replicas, 2 * (start(e, m) + whole - 1 - s));
      }
    }
    for (int s = 0; s < e.stages; ++s) ops.add_update(s, 2 * (start(e, last) + whole - 1 - s) + 1);
    ops.emit(sink);
  }

 private:
  static constexpr int rounds(extent e) { return (e.microbatches + e.replicas - 1) / e.replicas; }
  static constexpr int start(extent e, int m) {
    return 2 * e.stages * (m / e.replicas) + 2 * e.stages * (m % e.replicas) / e.replicas;
  }
};

}  // namespace foal::schedule
