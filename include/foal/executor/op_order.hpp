// The order of all ops of a phase, and what has been done where a run is cut in it.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/plan/arrays.hpp>
#include <foal/schedule/shares.hpp>

namespace foal::executor {

/// Ops by slot, rank and lane: no op waits for a later one, and a worker runs its own in this order, whatever else it hosts.
struct op_order {
  int period = 1;  ///< slots
  int ranks = 1, lanes = 1;

  op_order() = default;
  explicit op_order(schedule::program_view v) : period(v.period), ranks(v.size.ranks) {
    for (schedule::op const& o : v.ops) lanes = std::max(lanes, o.lane + 1);
  }

  long long key(long long period_number, schedule::op const& o, int rank) const {
    long long const slot = period_number * period + o.slot;
    return (slot * ranks + rank) * lanes + o.lane;
  }
  int lane(long long of_key) const { return static_cast<int>(of_key % lanes); }
  long long keys_of_period() const { return static_cast<long long>(period) * ranks * lanes; }
};

/// What is done when every op with a key below `key` is, and no other. Microbatches are counted as their units do
/// (schedule::shares::own).
class done_ops {
 public:
  /// minibatches: of the phase. thick: W takes a minibatch at once, with its last one.
  done_ops(table::phase_table const& phase, schedule::program_view v, long long key, long long minibatches, bool thick)
      : order_(v), row_(v.size.microbatches * v.size.segments), key_(key), minibatches_(minibatches), thick_(thick) {
    using schedule::op_kind;
    schedule::shares const shares(v);
    for (int u = 0; u < units(v.size); ++u) share_.push_back(shares.passes(replica_of(v.size, u)));
    ops_.resize(share_.size() * kinds * static_cast<std::size_t>(row_));
    for (int r = 0; r < v.size.ranks; ++r)
      for (schedule::op const& o : v.rank(r)) {
        auto const add = [&](slot_end::op what) {
          int const unit = unit_of(v.size, o.stage, o.replica), own = shares.own(o);
          at({what, unit}, schedule::floor_mod(own, shares.passes(o.replica))) = {o, r, own, true};
        };
        schedule::gradients const wanted = phase.wanted(o.stage);
        bool const back = schedule::is_backward(o.kind);
        if (o.kind == op_kind::F) add(slot_end::op::forward);
        if (o.kind == op_kind::R) add(slot_end::op::rebuild);
        if (back) add(slot_end::op::backward);
        bool const ends = wanted == schedule::gradients::both    ? schedule::adds_weight_gradient(o.kind)
                          : wanted == schedule::gradients::input ? back
                                                                 : o.kind == op_kind::F;
        if (ends) add(slot_end::op::end);
      }
  }

  bool operator()(slot_end e, long long m) const {
    if (!thick_ || e.what != slot_end::op::end) return has_been(e, m);
    int const n = share(e);
    long long const first = m / n * n;
    for (int j = 0; j < n; ++j)
      if (!has_been(e, first + j)) return false;
    return true;
  }
  /// One more than the last microbatch that is through an op; 0: none is.
  long long after_last(slot_end e) const {
    long long last = -1;
    int const n = share(e);
    for (int j = 0; j < n; ++j) {
      listed const& o = at(e, j);
      long long const first = o.there ? order_.key(0, o.what, o.rank) : key_;
      if (first >= key_) continue;
      long long m = (key_ - 1 - first) / order_.keys_of_period() * n + o.own;
      while (m >= minibatches_ * n) m -= n;
      last = std::max(last, m);
    }
    return last + 1;
  }
  /// Whether a slot of a ring holds what some op is still to read.
  bool alive(array const& a, long long m) const { return exists(a.read) && (*this)(a.filled, m) && !(*this)(a.read, m); }

 private:
  static constexpr std::size_t kinds = 4;
  struct listed {
    schedule::op what{};
    int rank = 0;
    int own = 0;  ///< its microbatch as the unit counts
    bool there = false;
  };

  bool exists(slot_end e) const { return at(e, 0).there; }
  bool has_been(slot_end e, long long m) const {
    int const n = share(e);
    listed const& o = at(e, static_cast<int>(m % n));
    return o.there && m >= 0 && m < minibatches_ * n && order_.key((m - o.own) / n, o.what, o.rank) < key_;
  }
  int share(slot_end e) const { return share_[static_cast<std::size_t>(e.unit)]; }
  std::size_t place(slot_end e, int j) const {
    return (static_cast<std::size_t>(e.unit) * kinds + static_cast<std::size_t>(e.what)) * static_cast<std::size_t>(row_) +
           static_cast<std::size_t>(j);
  }
  listed& at(slot_end e, int j) { return ops_[place(e, j)]; }
  listed const& at(slot_end e, int j) const { return ops_[place(e, j)]; }

  op_order order_;
  int row_;
  long long key_, minibatches_;
  bool thick_;
  std::vector<int> share_;  // of each unit: its passes in a minibatch
  std::vector<listed> ops_;
};

}  // namespace foal::executor
