// What generators share that know the slot of every op of a minibatch, among replicas: lists of one period.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/schedule/program.hpp>

namespace foal::schedule::detail {

/// Throws foal::error where the microbatches are too few for every replica to have one.
constexpr void require_shares(char const* name, extent e) {
  if (e.microbatches < e.replicas)
    throw error(sentence("cannot generate ", name, " for ", e.microbatches, " microbatches and ", e.replicas,
                         " replicas, because every replica runs one at least: N >= replicas; use ", e.replicas,
                         " microbatches or more, or fewer replicas"));
}

/// Ops by slot, those beyond the period moved into it as ops of the minibatches before. Of one slot and rank: forwards from
/// the lowest stage up, backwards from the highest down, sums, updates, in lanes.
class slotted {
 public:
  constexpr slotted(extent e, int period) : size_(e), period_(period) {}

  constexpr void add(op_kind kind, int stage, int microbatch, int replica, int slot) {
    int const late = slot / period_;
    ops_.push_back({.kind = kind,
                    .stage = stage,
                    .microbatch = microbatch - late * size_.microbatches,
                    .slot = slot - late * period_,
                    .replica = replica});
  }
  /// U of a stage in all replicas, for a whole minibatch, and G where there are several.
  constexpr void add_update(int stage, int slot) {
    for (int k = 0; k < size_.replicas; ++k) {
      if (size_.replicas > 1) add(op_kind::G, stage, size_.microbatches - 1, k, slot);
      add(op_kind::U, stage, size_.microbatches - 1, k, slot);
    }
  }

  template <class Sink>
  constexpr void emit(Sink& sink) {
    std::sort(ops_.begin(), ops_.end(), [](op const& x, op const& y) {
      if (x.slot != y.slot) return x.slot < y.slot;
      if (x.kind != y.kind) return turn(x.kind) < turn(y.kind);
      if (x.stage != y.stage) return x.kind == op_kind::F ? x.stage < y.stage : x.stage > y.stage;
      return x.replica != y.replica ? x.replica < y.replica : x.microbatch < y.microbatch;
    });
    struct place {
      int slot = -1, lane = 0;
    };
    std::vector<place> last(static_cast<std::size_t>(size_.ranks));
    for (op o : ops_) {
      int const r = rank_of(size_, o.stage, o.replica);
      place& at = last[static_cast<std::size_t>(r)];
      at = {o.slot, at.slot == o.slot ? at.lane + 1 : 0};
      o.lane = at.lane;
      sink(r, o);
    }
  }

 private:
  static constexpr int turn(op_kind kind) {
    if (kind == op_kind::U) return 3;
    if (kind == op_kind::G) return 2;
    return kind == op_kind::F ? 0 : 1;
  }

  extent size_;
  int period_;
  std::vector<op> ops_;
};

}  // namespace foal::schedule::detail
