// What a worker does for other replicas beside its list: its units' parts of the gradients, added up when all have come.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/executor/phase_state.hpp>

namespace foal::executor {

/// The sums that units of a worker owe. Who waits for one waits for ops that come before its own in the order of all ops, so
/// that a worker which adds up whenever it has nothing else to do lets nobody wait for ever.
class part_sums {
 public:
  part_sums(phase_state const& shared, schedule::program_view v, int worker) : period_(shared.keys_of_period()) {
    if (v.size.replicas == 1) return;
    int const n = v.size.microbatches;
    std::vector<long long> complete(static_cast<std::size_t>(v.size.stages), -1);
    for (int r = 0; r < v.size.ranks; ++r)
      for (schedule::op const& o : v.rank(r)) {
        if (!schedule::adds_weight_gradient(o.kind)) continue;
        long long& last = complete[static_cast<std::size_t>(o.stage)];
        last = std::max(last, shared.key(-schedule::floor_div(o.microbatch, n), o, r));
      }
    for (bound_stage& b : *shared.stages)
      if (b.worker == worker && !b.others.empty()) all_.push_back({&b, complete[static_cast<std::size_t>(b.number)]});
  }

  /// Whether a unit has sent its minibatch's parts, has those of all others, and has not added them up.
  static bool complete(bound_stage& b) {
    message_counts const& n = b.messages;
    return n.parts_out != n.parts_in &&
           std::all_of(b.others.begin(), b.others.end(), [&](other_replica& r) { return r.part_in.arrived(n.parts_in); });
  }
  /// A unit of which that is so, or null.
  bound_stage* next() {
    for (unit const& u : all_)
      if (complete(*u.of)) return u.of;
    return nullptr;
  }
  /// Whether nothing more is to be added up where every op before a key has been done and no other: of `minibatches`, those
  /// whose last gradient of all replicas comes before it. So what is done at a cut is the program's, not the clock's.
  bool through(long long key, long long minibatches) const {
    return std::all_of(all_.begin(), all_.end(), [&](unit const& u) {
      long long const due = key > u.complete ? std::min(minibatches, (key - u.complete - 1) / period_ + 1) : 0;
      return u.of->messages.parts_in == static_cast<std::uint32_t>(due);
    });
  }
  /// Where it failed.
  void give_up() { all_.clear(); }

 private:
  struct unit {
    bound_stage* of;
    long long complete;  ///< key of the last gradient of minibatch 0, of all replicas
  };
  std::vector<unit> all_;
  long long period_;
};

}  // namespace foal::executor
