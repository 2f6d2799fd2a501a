// Which microbatches of a minibatch run through which replica, and how a unit counts its own.
#pragma once

#include <vector>

#include <foal/schedule/edges.hpp>

namespace foal::schedule {

/// Replicas share out a minibatch. A unit's rings, and the versions that it reads, count the passes through it, one for each
/// segment of a microbatch: from 0 in a phase, in the order of the microbatches' numbers. With one replica and one segment
/// that is every microbatch's number. Needs a program that is well_formed().
class shares {
 public:
  shares() = default;
  explicit shares(program_view v)
      : microbatches_(v.size.microbatches),
        segments_(v.size.segments),
        positions_(static_cast<std::size_t>(v.size.replicas)) {
    dependencies const rule(v);
    for (int j = 0; j < microbatches_; ++j) {
      std::vector<int>& of = positions_[static_cast<std::size_t>(rule.replica_of(j))];
      index_.push_back(static_cast<int>(of.size()));
      of.push_back(j);
    }
    if (rule.closing_cells() == units(v.size)) return;
    consumed_.assign(static_cast<std::size_t>(units(v.size) * microbatches_), 0);
    for (int u = 0; u < units(v.size); ++u)
      for (int const j : positions(replica_of(v.size, u))) ++consumed_[at(u, rule.closing(u, j))];
    stages_ = v.size.stages;
  }

  /// The positions in a minibatch of a replica's microbatches, ascending.
  std::vector<int> const& positions(int replica) const { return positions_[static_cast<std::size_t>(replica)]; }
  /// How many they are.
  int of(int replica) const { return static_cast<int>(positions(replica).size()); }
  /// The same in passes.
  int passes(int replica) const { return of(replica) * segments_; }
  /// The pass of an op as its unit counts; relative to the period's first one, as op::microbatch is.
  int own(op const& o) const {
    int const period = floor_div(o.microbatch, microbatches_), position = floor_mod(o.microbatch, microbatches_);
    return (period * of(o.replica) + index_[static_cast<std::size_t>(position)]) * segments_ + o.segment;
  }

  /// Of how many microbatches the gradient of a U is: of a minibatch, unless the unit has several U's.
  int consumed(op const& u) const {
    if (consumed_.empty()) return microbatches_;
    return consumed_[at(u.replica * stages_ + u.stage, floor_mod(u.microbatch, microbatches_))];
  }
  /// It is the unit's last U of a minibatch.
  bool ends_minibatch(op const& u) const {
    return consumed_.empty() || floor_mod(u.microbatch, microbatches_) == microbatches_ - 1;
  }

 private:
  std::size_t at(int unit, int position) const { return static_cast<std::size_t>(unit * microbatches_ + position); }

  int microbatches_ = 1, segments_ = 1, stages_ = 1;
  std::vector<std::vector<int>> positions_;  // by replica
  std::vector<int> index_;                   // by position
  std::vector<int> consumed_;                // by unit and position, where some unit has several U's
};

}  // namespace foal::schedule
