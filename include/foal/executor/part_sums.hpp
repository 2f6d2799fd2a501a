// What a worker does for other replicas beside its list: its units' parts of the gradients, added up when all have come.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <foal/executor/worker_end.hpp>

namespace foal::executor {

/// The sums that units of a worker owe. Who waits for one waits for ops that come before its own in the order of all ops, so
/// that a worker which adds up whenever it has nothing else to do lets nobody wait for ever. A stage's parts set out with
/// its last W, so they travel, and are added up, while the stages before it are still at work backward.
class part_sums {
 public:
  part_sums(phase_state const& shared, schedule::program_view v, int worker) : period_(shared.keys_of_period()) {
    if (v.size.replicas == 1) return;
    int const n = v.size.microbatches;
    replica::exchanged const what = shared.tables->replica.what;
    every_ = shared.tables->replica.every;
    auto const sends = [what](schedule::op_kind kind) {
      return what == replica::exchanged::weights        ? kind == schedule::op_kind::G
             : what == replica::exchanged::late_weights ? kind == schedule::op_kind::U
                                                        : schedule::adds_weight_gradient(kind);
    };
    constexpr long long none = std::numeric_limits<long long>::min();  // of a stage whose weights do not change
    std::vector<long long> complete(static_cast<std::size_t>(v.size.stages), none);
    for (int r = 0; r < v.size.ranks; ++r)
      for (schedule::op const& o : v.rank(r)) {
        if (!sends(o.kind)) continue;
        long long& last = complete[static_cast<std::size_t>(o.stage)];
        last = std::max(last, shared.key(-schedule::floor_div(o.microbatch, n), o, r));
      }
    for (bound_stage& b : *shared.stages) {
      long long const last = complete[static_cast<std::size_t>(b.number)];
      if (b.worker == worker && !b.others.empty() && last != none) all_.push_back({&b, last});
    }
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
  /// Whether nothing more is to be added up where every op before a key has been done: of `minibatches`, those that all
  /// replicas have sent before it. So what is done at a cut, where no other op has been, is the program's, not the clock's.
  /// Behind a failure, of which a worker hears late, it may be more.
  bool through(long long key, long long minibatches) const {
    return std::all_of(all_.begin(), all_.end(), [&](unit const& u) {
      long long const due = key > u.complete ? std::min(minibatches, (key - u.complete - 1) / period_ + 1) : 0;
      long long const before = u.of->updates - u.of->version;  // of the phase
      auto const owed = static_cast<std::uint32_t>((before + due) / every_ - before / every_);
      return static_cast<std::int32_t>(u.of->messages.parts_in - owed) >= 0;
    });
  }
  /// Where it failed.
  void give_up() { all_.clear(); }

 private:
  struct unit {
    bound_stage* of;
    long long complete;  ///< key of the op with which the last replica sends minibatch 0
  };
  std::vector<unit> all_;
  long long period_, every_ = 1;  // of weights: updates from one exchange to the next
};

enum class progress { ran, blocked, done };

/// What a worker has to do with other units' gradients: of other replicas, or for the norm of the whole model.
class worker_sums : public worker_end {
 protected:
  worker_sums(phase_state& shared, schedule::program_view v, int number)
      : worker_end(shared), of_(shared), parts_(shared, v, number) {}

  /// While the list waits at the op with that key, or is at its end: adds up parts that have all come.
  progress add_parts(long long key) {
    bound_stage* const b = parts_.next();
    if (b == nullptr) return progress::blocked;
    try {
      of_.ops->add_parts(*b);
    } catch (...) {
      parts_.give_up();
      fail(std::current_exception(), key);
    }
    return progress::ran;
  }
  bool has_parts() { return parts_.next() != nullptr; }
  /// Whether others go on without this worker, at the end of its list or where it has stopped within it. Others may
  /// stop though it does not.
  bool owes_nothing() const { return of_.given_up.load() || parts_.through(of_.stop_at, of_.through()); }

  /// With the last W of a minibatch: the gradient for the other replicas, or the unit's part of the whole model's norm.
  void give(bound_stage& b) const {
    if (!of_.gives) return;
    auto const next = static_cast<std::uint32_t>(b.facts.share) * (b.version + 1);
    if (b.passed(passage::freed) < next) return;
    if (b.others.empty()) return give_norm(b);
    if (!of_.tables->replica.of_weights()) send(b);
  }
  void send(bound_stage& b) const {
    of_.ops->send_parts(b);
    if (part_sums::complete(b)) of_.ops->add_parts(b);
  }
  /// G, where states are shared out: the unit's own part.
  void step_part(bound_stage& b, int summed, long long key) {
    b.summed = summed;
    if (std::string what = of_.ops->step_part(b); !what.empty())
      diverge({b.updates, b.number, std::move(what)}, key);
    else
      of_.ops->send_part(b);
  }
  /// All U of the replica wait for it.
  void give_norm(bound_stage& b) const {
    of_.ops->give_squares(b);
    of_.norm.give(b.unit, b.gradients_given, b.squares);
    of_.ring();
  }

 private:
  phase_state& of_;
  part_sums parts_;
};

}  // namespace foal::executor
