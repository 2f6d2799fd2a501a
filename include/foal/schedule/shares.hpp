// Which microbatches of a minibatch run through which replica, and how a unit counts its own.
#pragma once

#include <vector>

#include <foal/schedule/edges.hpp>

namespace foal::schedule {

/// Replicas share out a minibatch. A unit's rings, and the versions that it reads, count the microbatches that run through
/// it: from 0 in a phase, in the order of their numbers. With one replica that is every microbatch's number. Needs a program
/// that is well_formed().
class shares {
 public:
  shares() = default;
  explicit shares(program_view v)
      : microbatches_(v.size.microbatches), positions_(static_cast<std::size_t>(v.size.replicas)) {
    dependencies const rule(v);
    for (int j = 0; j < microbatches_; ++j) {
      std::vector<int>& of = positions_[static_cast<std::size_t>(rule.replica_of(j))];
      index_.push_back(static_cast<int>(of.size()));
      of.push_back(j);
    }
  }

  /// The positions in a minibatch of a replica's microbatches, ascending.
  std::vector<int> const& positions(int replica) const { return positions_[static_cast<std::size_t>(replica)]; }
  /// How many they are.
  int of(int replica) const { return static_cast<int>(positions(replica).size()); }
  /// The microbatch of an op as its unit counts; relative to the period's first one, as op::microbatch is.
  int own(op const& o) const {
    int const period = floor_div(o.microbatch, microbatches_), position = floor_mod(o.microbatch, microbatches_);
    return period * of(o.replica) + index_[static_cast<std::size_t>(position)];
  }

 private:
  int microbatches_ = 1;
  std::vector<std::vector<int>> positions_;  // by replica
  std::vector<int> index_;                   // by position
};

}  // namespace foal::schedule
