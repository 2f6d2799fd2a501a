// Slots that the units of a rank share for what they save: where each microbatch's lies, from the order of the program.
#pragma once

#include <algorithm>
#include <compare>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <foal/core/config.hpp>
#include <foal/layer/contract.hpp>
#include <foal/schedule/shares.hpp>

namespace foal::executor {

/// What a unit saves of each of its microbatches, in one piece, from the op that fills it to the last one that reads it.
struct pool_block {
  int unit = 0;
  std::size_t bytes = 0;  ///< a whole number of alignments
  schedule::op_kind fill = schedule::op_kind::F;
  int filler = 0;          ///< the unit whose op that is; B is BW, too
  until last = until::W;   ///< B, or W (BW; B of a stage whose weights are frozen)
  bool elsewhere = false;  ///< another worker fills it. It has its slot one microbatch earlier, so that it need not wait
};

/// Which other microbatches must have given their slots back before one is filled: of a block's unit, all before `first`,
/// and with each cycle of the table `step` more. As the units count.
struct slot_condition {
  int block = 0;
  long long first = 0, step = 0;
};

/// Of one block, by microbatch modulo the table's length.
struct slot_table {
  std::vector<std::size_t> place;                   ///< bytes from the begin of the pool
  std::vector<std::vector<slot_condition>> before;  ///< empty where the list of one rank sees to it
};

struct slot_pool {
  std::size_t bytes = 0;
  std::vector<slot_table> of;  ///< by block
};

namespace detail {

/// Runs a program, period after period, and says when blocks need a slot and give it back.
class pool_run {
 public:
  /// in_order: a unit gives slots back in the order of its microbatches and behind all of a program's slot, else each at
  /// once.
  pool_run(schedule::program_view v, std::vector<pool_block> const& blocks, bool in_order)
      : blocks_(blocks), in_order_(in_order), live_(blocks.size()), state_(blocks.size()) {
    schedule::shares const shares(v);
    for (pool_block const& b : blocks) share_.push_back(shares.of(replica_of(v.size, b.unit)));
    for (int r = 0; r < v.size.ranks; ++r)
      for (schedule::op const& o : v.rank(r)) add(v, o, r, shares.own(o));
    std::stable_sort(events_.begin(), events_.end(), [](event const& a, event const& b) { return a.when < b.when; });
    for (event const& e : events_)
      if (e.fills) fills_[static_cast<std::size_t>(e.block)].push_back(e.own);
  }

  long long share(std::size_t block) const { return share_[block]; }
  long long period() const { return period_; }

  /// Runs the next period. take(block, microbatch) gives a place, which give(block, microbatch, place) has back.
  template <class Take, class Give>
  void advance(Take const& take, Give const& give) {
    auto const begins = [&](std::size_t b, long long own) {
      if (own >= 0) live_[b].emplace(own, take(b, own));
    };
    if (period_ == 0)
      for (std::size_t b = 0; b < blocks_.size(); ++b)
        if (blocks_[b].elsewhere && !fills(b).empty()) begins(b, fills(b).front());
    std::vector<std::size_t> filled(blocks_.size(), 0);
    for (event const& e : events_) {
      auto const b = static_cast<std::size_t>(e.block);
      long long const own = e.own + period_ * share_[b];
      if (e.fills) {
        std::size_t const next = ++filled[b];
        if (!blocks_[b].elsewhere)
          begins(b, own);
        else
          begins(b, next < fills(b).size() ? fills(b)[next] + period_ * share_[b]
                                           : fills(b).front() + (period_ + 1) * share_[b]);
        if (own >= 0) state_[b].last = std::max(state_[b].last, own);
      } else if (own >= 0) {
        ends(b, own, give);
      }
      if (!live_[b].empty()) widest_ = std::max(widest_, state_[b].last - live_[b].begin()->first);
    }
    ++period_;
  }
  /// The most microbatches between one that is filled and the oldest of its block that is not given back.
  long long widest() const { return widest_; }

  /// What the future depends on: alike after two periods, all between them repeats.
  std::vector<long long> state() const {
    std::vector<long long> all;
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      long long const from = period_ * share_[b];
      if (in_order_) all.push_back(state_[b].through - from);
      for (auto const& [own, place] : live_[b]) {
        all.push_back(own - from);
        all.push_back(static_cast<long long>(place));
      }
      all.push_back(-1);
      for (long long const own : state_[b].done) all.push_back(own - from);
      all.push_back(-1);
    }
    return all;
  }

 private:
  struct time {
    int slot = 0;
    bool late = false;  // what is given back to who is elsewhere in a slot is there in the next one: nobody waits in a slot
    int rank = 0, lane = 0;
    bool end = false;
    auto operator<=>(time const&) const = default;
  };
  struct event {
    time when;
    int block = 0;
    bool fills = false;
    long long own = 0;
  };
  struct progress {
    long long through = 0, last = -1;
    std::set<long long> done;  // of those behind `through`
  };

  void add(schedule::program_view v, schedule::op const& o, int rank, int own) {
    int const unit = unit_of(v.size, o.stage, o.replica);
    bool const both = v.wanted(o.stage) == schedule::gradients::both, back = schedule::is_backward(o.kind);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      pool_block const& x = blocks_[b];
      bool const fills = o.kind == x.fill || (x.fill == schedule::op_kind::B && back);
      if (fills && unit == x.filler)
        events_.push_back({{o.slot, false, rank, o.lane, false}, static_cast<int>(b), true, own});
      if (unit == x.unit && (x.last == until::W && both ? schedule::adds_weight_gradient(o.kind) : back))
        events_.push_back({{o.slot, in_order_, rank, o.lane, true}, static_cast<int>(b), false, own});
    }
  }
  std::vector<long long> const& fills(std::size_t b) { return fills_[b]; }

  template <class Give>
  void ends(std::size_t b, long long own, Give const& give) {
    auto const back = [&](long long m) {
      auto const at = live_[b].find(m);
      give(b, m, at->second);
      live_[b].erase(at);
    };
    if (!in_order_) return back(own);
    progress& p = state_[b];
    p.done.insert(own);
    for (; p.done.erase(p.through) > 0; ++p.through) back(p.through);
  }

  std::vector<pool_block> const& blocks_;
  bool in_order_;
  std::vector<long long> share_;
  std::vector<event> events_;  // of a period
  std::map<std::size_t, std::vector<long long>> fills_;
  std::vector<std::map<long long, std::size_t>> live_;  // by block: where each microbatch lies
  std::vector<progress> state_;
  long long period_ = 0, widest_ = 0;
};

/// Memory in which pieces are placed one after the other, each at the lowest address where it fits.
class first_fit {
 public:
  std::size_t take(std::size_t bytes) {
    std::size_t at = 0;
    auto before = taken_.begin();
    for (; before != taken_.end() && before->first < at + bytes; ++before) at = before->first + before->second;
    taken_.emplace(at, bytes);
    most_ = std::max(most_, at + bytes);
    return at;
  }
  void give(std::size_t at) { taken_.erase(at); }
  std::size_t most() const { return most_; }

 private:
  std::map<std::size_t, std::size_t> taken_;
  std::size_t most_ = 0;
};

}  // namespace detail

/// The most bytes of blocks that a program holds at once. Needs one that prove() accepts, with slots.
inline std::size_t most_at_once(schedule::program_view v, std::vector<pool_block> const& blocks, bool in_order) {
  detail::pool_run run(v, blocks, in_order);
  std::size_t now = 0, most = 0;
  long long const periods = v.asynchronous ? 2 * periods_late(v) + 3 : 2;
  while (run.period() < periods)
    run.advance(
        [&](std::size_t b, long long) {
          most = std::max(most, now += blocks[b].bytes);
          return std::size_t{0};
        },
        [&](std::size_t b, long long, std::size_t) { now -= blocks[b].bytes; });
  return most;
}

/// Slots for the blocks of a rank in fewer than `limit` bytes, each at the lowest address that is free when it is needed:
/// equal ones then need no more than is ever held at once. Nothing where that takes as much, where the places do not repeat
/// within a number of periods, or a microbatch would wait for one of a later minibatch. Needs what most_at_once() needs.
inline std::optional<slot_pool> share_slots(schedule::program_view v, std::vector<pool_block> const& blocks, bool in_order,
                                            std::size_t limit) {
  constexpr long long most_periods = 256;
  if (blocks.empty() || most_at_once(v, blocks, in_order) >= limit) return std::nullopt;
  detail::pool_run run(v, blocks, in_order);
  detail::first_fit memory;
  auto const give = [&](std::size_t, long long, std::size_t place) { memory.give(place); };
  std::map<std::vector<long long>, long long> seen{{run.state(), 0}};
  long long length = 0;
  long long const drained = 2LL * periods_late(v);
  while (length == 0) {
    if (run.period() > drained + most_periods || memory.most() >= limit) return std::nullopt;
    run.advance([&](std::size_t b, long long) { return memory.take(blocks[b].bytes); }, give);
    if (run.period() < drained) continue;
    auto const [at, fresh] = seen.emplace(run.state(), run.period());
    if (!fresh) length = run.period() - at->second;
  }
  long long longest = 1;
  for (std::size_t b = 0; b < blocks.size(); ++b) longest = std::max(longest, run.widest() / (length * run.share(b)) + 1);
  length *= longest;

  slot_pool pool;
  pool.of.resize(blocks.size());
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    auto const entries = static_cast<std::size_t>(length * run.share(b));
    pool.of[b].place.assign(entries, 0);
    pool.of[b].before.assign(entries, {});
  }
  // What has lain where, by its last microbatch: in the cycle before, and then in the one whose places are taken.
  std::map<std::pair<std::size_t, std::size_t>, long long> been;
  bool sound = true, records = false;
  auto const taken = [&](std::size_t b, long long own) {
    std::size_t const place = memory.take(blocks[b].bytes);
    long long const entries = length * run.share(b);
    auto const i = static_cast<std::size_t>(own % entries);
    if (records) pool.of[b].place[i] = place;
    if (records && blocks[b].elsewhere) {
      std::map<std::size_t, long long> last;
      for (auto const& [where, m] : been) {
        auto const [other, begin] = where;
        if (begin >= place + blocks[b].bytes || place >= begin + blocks[other].bytes) continue;
        auto const [at, fresh] = last.emplace(other, m);
        if (!fresh) at->second = std::max(at->second, m);
      }
      for (auto const& [other, m] : last) {
        long long const step = length * run.share(other);
        sound = sound && m / run.share(other) <= own / run.share(b);
        pool.of[b].before[i].push_back({static_cast<int>(other), m + 1 - own / entries * step, step});
      }
    }
    return place;
  };
  auto const given = [&](std::size_t b, long long own, std::size_t place) {
    been[{b, place}] = std::max(own, been.contains({b, place}) ? been.at({b, place}) : own);
    memory.give(place);
  };
  for (int cycle = 0; cycle < 2; ++cycle, records = true)
    for (long long k = 0; k < length; ++k) run.advance(taken, given);
  pool.bytes = memory.most();
  if (!sound || pool.bytes >= limit) return std::nullopt;
  return pool;
}

}  // namespace foal::executor
