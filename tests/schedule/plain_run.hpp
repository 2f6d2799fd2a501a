// What ops wait for, said a second time: the oracle of the tests of random lists, which asks nothing of edges.hpp.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include <foal/schedule/placement.hpp>
#include <foal/schedule/program.hpp>

namespace foal::test {

/// A run of one minibatch, op by op, by the rules as plainly as they can be said. Of F, B, BW, W, G and U, without
/// recomputation, frozen stages or the global norm.
class plain_run {
 public:
  /// gradients: how many W's and BW's each replica of a stage has.
  plain_run(schedule::extent e, std::vector<int> gradients) : size_(e), due_(std::move(gradients)) {}
  explicit plain_run(schedule::program_view v) : size_(v.size), due_(static_cast<std::size_t>(v.size.replicas), 0) {
    for (schedule::op const& o : v.ops)
      if (o.kind == schedule::op_kind::F && o.stage == 0) ++due_[static_cast<std::size_t>(o.replica)];
  }

  /// True if what the op needs has run. A U needs all gradients of its unit, a G those of all replicas.
  bool ready(schedule::op const& o) const {
    using enum schedule::op_kind;
    switch (o.kind) {
      case F:
        return (o.stage == 0 || did(F, o.stage - 1, o, o.segment)) && (o.segment == 0 || did(F, o.stage, o, o.segment - 1));
      case B:
      case BW:
        return did(F, o.stage, o, o.segment) && (o.stage + 1 == size_.stages || did(B, o.stage + 1, o, o.segment)) &&
               (o.segment + 1 == size_.segments || did(B, o.stage, o, o.segment + 1));
      case W:
        return did(B, o.stage, o, o.segment);
      case G:
        for (int r = 0; r < size_.replicas; ++r)
          if (!has_gradients(o.stage, r)) return false;
        return true;
      default:
        return size_.replicas == 1 ? has_gradients(o.stage, 0) : done_.contains({G, o.stage, o.replica, 0, 0});
    }
  }

  /// The op runs. Needs that it is ready.
  void run(schedule::op const& o) {
    bool const closes = o.kind == schedule::op_kind::G || o.kind == schedule::op_kind::U;
    done_.insert({plain(o.kind), o.stage, o.replica, closes ? 0 : o.microbatch, closes ? 0 : o.segment});
    if (schedule::adds_weight_gradient(o.kind)) added_.insert({o.stage, o.replica, o.microbatch, o.segment});
  }

 private:
  static schedule::op_kind plain(schedule::op_kind k) { return k == schedule::op_kind::BW ? schedule::op_kind::B : k; }
  bool did(schedule::op_kind k, int stage, schedule::op const& of, int segment) const {
    return done_.contains({k, stage, of.replica, of.microbatch, segment});
  }
  bool has_gradients(int stage, int replica) const {
    int have = 0;
    for (auto const& [s, r, m, segment] : added_) have += s == stage && r == replica ? 1 : 0;
    return have == due_[static_cast<std::size_t>(replica)];
  }

  schedule::extent size_;
  std::vector<int> due_;                                              // [replica]
  std::set<std::tuple<schedule::op_kind, int, int, int, int>> done_;  // kind (B for BW), stage, replica, microbatch, segment
  std::set<std::tuple<int, int, int, int>> added_;                    // stage, replica, microbatch, segment
};

/// True if ranks come to the end of their lists when each runs its next op as soon as what it needs has run; every op is
/// there once, a unit on one rank, a microbatch in one replica, and F's and backwards of a stage come in the order of those
/// that they take a message from.
inline bool runs(schedule::program_view v) {
  using enum schedule::op_kind;
  plain_run run(v);
  std::set<std::tuple<schedule::op_kind, int, int, int>> done;            // kind, unit, microbatch, segment; BW is B and W
  std::map<int, int> host, replica;                                       // of a unit, of a microbatch
  std::map<std::pair<bool, int>, std::vector<std::pair<int, int>>> sent;  // (F or backward, unit) -> messages in order
  std::vector<std::size_t> at(static_cast<std::size_t>(v.size.ranks), 0);
  bool sound = true;
  auto const holds = [&](bool what) { sound = sound && what; };
  for (bool moved = true; moved;) {
    moved = false;
    for (int r = 0; r < v.size.ranks; ++r)
      for (auto& i = at[static_cast<std::size_t>(r)]; i < v.rank(r).size() && run.ready(v.rank(r)[i]); ++i, moved = true) {
        schedule::op const& o = v.rank(r)[i];
        run.run(o);
        int const unit = unit_of(v.size, o.stage, o.replica);
        holds(host.try_emplace(unit, r).first->second == r);
        if (o.kind == U || o.kind == G)
          holds(o.microbatch == v.size.microbatches - 1);
        else
          holds(replica.try_emplace(o.microbatch, o.replica).first->second == o.replica);
        if (o.kind == F || is_backward(o.kind)) sent[{o.kind == F, unit}].emplace_back(o.microbatch, o.segment);
        holds(done.insert({o.kind == BW ? B : o.kind, unit, o.microbatch, o.segment}).second);
        if (o.kind == BW) holds(done.insert({W, unit, o.microbatch, o.segment}).second);
      }
  }
  for (int r = 0; r < v.size.ranks; ++r) holds(at[static_cast<std::size_t>(r)] == v.rank(r).size());
  for (auto const& [of, order] : sent)
    if (int const s = stage_of(v.size, of.second); s + 1 < v.size.stages) {
      auto const above = sent.find({of.first, unit_of(v.size, s + 1, replica_of(v.size, of.second))});
      holds(above != sent.end() && above->second == order);
    }
  int const cells = 3 * v.size.stages * v.size.microbatches * v.size.segments;  // F, B and W
  int const closing = units(v.size) * (v.size.replicas > 1 ? 2 : 1);            // U and G
  return sound && done.size() == static_cast<std::size_t>(cells + closing);
}

}  // namespace foal::test
