// Slots of a unit whose rank evicts some of what it saves: where each microbatch lies for F, for its backward, and between.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include <foal/schedule/evictions.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::executor {

/// What has been in a slot before a message is written there: all microbatches before `first` (and with each minibatch as
/// many more as it has) must have been evicted, or have given their slots back.
struct evicted_condition {
  bool evicted = false;
  long long first = std::numeric_limits<long long>::min();  ///< far below 0: nothing has been there
};

/// By microbatch of a minibatch: numbers of slots. What the unit's own ops write follows the order of its list; into a slot
/// of the wire its sender writes, when the condition is met.
struct evicted_slots {
  int to = -1;  ///< rank
  std::vector<char> evicted;
  std::vector<int> first, again;            ///< from F on, and for the backward of an evicted one; else the same
  std::vector<int> there;                   ///< on the other rank, of an evicted one
  std::vector<int> wire_first, wire_again;  ///< of what is kept of the wire
  std::vector<evicted_condition> before;
  int here = 0, away = 0, wire = 0;  ///< how many there are
};

namespace detail {

/// A microbatch in a slot at these times, both included.
struct stay {
  long long from = 0, to = 0;
  int microbatch = 0;
  bool again = false;   ///< fetched for its backward
  bool leaves = false;  ///< ends by being evicted
};

/// Gives each the lowest slot that is free, in the order of their begins: found(stay, slot, the one before it there, or
/// null). Gives the number of slots.
template <class Found>
int share_out(std::vector<stay> stays, Found const& found) {
  std::stable_sort(stays.begin(), stays.end(), [](stay const& a, stay const& b) { return a.from < b.from; });
  std::vector<stay const*> last;
  for (stay const& s : stays) {
    std::size_t i = 0;
    while (i < last.size() && last[i]->to >= s.from) ++i;
    found(s, static_cast<int>(i), i < last.size() ? last[i] : nullptr);
    if (i == last.size()) last.push_back(nullptr);
    last[i] = &s;
  }
  return static_cast<int>(last.size());
}

}  // namespace detail

/// Of one stage that evicts. early: its sender is another worker, and has a slot one microbatch before it needs it. Needs a
/// program with slots that prove() accepts.
inline evicted_slots slots_with_evictions(schedule::program_view v, int stage, bool early) {
  using schedule::op_kind;
  evicted_slots x;
  x.evicted = schedule::evicted_of(v, stage);
  auto const n = x.evicted.size();
  for (schedule::eviction const& e : v.evictions)
    if (e.stage == stage) x.to = e.to;
  for (auto* table : {&x.first, &x.again, &x.there, &x.wire_first, &x.wire_again}) table->assign(n, 0);
  x.before.assign(n, {});

  struct times {
    long long forward = 0, backward = 0, sent = 0;
  };
  std::vector<times> listed(n), clocked(n);  // by place in the rank's list, and by slot of the program
  int const rank = schedule::ranks_of(v)[static_cast<std::size_t>(stage)];
  long long place = 0;
  for (schedule::op const& o : v.rank(rank)) {
    ++place;
    if (o.stage != stage || o.kind == op_kind::U) continue;
    auto const m = static_cast<std::size_t>(o.microbatch);
    auto const at = o.kind == op_kind::F ? &times::forward : &times::backward;
    listed[m].*at = place;
    clocked[m].*at = o.slot;
  }
  for (schedule::op const& o : v.ops)
    if (o.kind == op_kind::F && o.stage == std::max(stage - 1, 0))
      clocked[static_cast<std::size_t>(o.microbatch)].sent = o.slot;
  // Twice the time, so that an op has a begin and an end.
  std::vector<detail::stay> own, away, wire;
  for (std::size_t m = 0; m < n; ++m) {
    int const number = static_cast<int>(m);
    bool const moves = x.evicted[m] != 0;
    auto const add = [&](std::vector<detail::stay>& to, times const& t, long long from) {
      to.push_back({2 * from, 2 * (moves ? t.forward : t.backward) + 1, number, false, moves});
      if (moves) to.push_back({2 * t.backward, 2 * t.backward + 1, number, true, false});
    };
    add(own, listed[m], listed[m].forward);
    add(wire, clocked[m], early && m > 0 ? clocked[m - 1].sent : clocked[m].sent);
    if (moves) away.push_back({2 * listed[m].forward + 1, 2 * listed[m].backward, number, false, false});
  }
  auto const note = [](std::vector<int>& first, std::vector<int>& again, detail::stay const& s, int slot) {
    auto const m = static_cast<std::size_t>(s.microbatch);
    if (!s.again) first[m] = slot;
    again[m] = slot;  // an evicted one's second stay comes later
  };
  x.here = detail::share_out(own, [&](detail::stay const& s, int slot, auto) { note(x.first, x.again, s, slot); });
  x.away = detail::share_out(away, [&](detail::stay const& s, int slot, auto) { note(x.there, x.there, s, slot); });
  std::vector<detail::stay> last;  // by slot: what is there at the end of a minibatch
  std::vector<std::size_t> unknown;
  x.wire = detail::share_out(wire, [&](detail::stay const& s, int slot, detail::stay const* before) {
    note(x.wire_first, x.wire_again, s, slot);
    last.resize(std::max(last.size(), static_cast<std::size_t>(slot) + 1));
    last[static_cast<std::size_t>(slot)] = s;
    if (s.again) return;  // by then the unit itself has taken away what has been there
    auto const m = static_cast<std::size_t>(s.microbatch);
    if (before == nullptr)
      unknown.push_back(m);
    else
      x.before[m] = {before->leaves, before->microbatch + 1};
  });
  for (std::size_t const m : unknown) {
    detail::stay const& s = last[static_cast<std::size_t>(x.wire_first[m])];
    x.before[m] = {s.leaves, s.microbatch + 1 - static_cast<long long>(n)};
  }
  return x;
}

/// Which units evict in a run: those whose rank and the other one are on two workers of this process. Nothing else is
/// gained: of one worker's arena it would only take more. Nor is anything evicted where W takes a minibatch at once, on
/// devices whose ops are done later than they return or whose memory is their own, and in runs of several programs.
class run_evictions {
 public:
  /// early(unit): as slots_with_evictions() has it.
  template <class Early>
  void plan(table::run_tables const& t, std::vector<int> const& worker_of, Early const& early) {
    of_.assign(t.units(), {});
    if (t.thick || t.phases.size() != 1 || t.device.asynchronous || !t.device.host_memory) return;
    schedule::program program = t.phases.front().program;
    schedule::program_view const v = program.view();
    for (schedule::eviction const& x : v.evictions) {
      auto const s = static_cast<std::size_t>(x.stage);
      int const home = worker_of[static_cast<std::size_t>(t.rank_of[s])], to = worker_of[static_cast<std::size_t>(x.to)];
      if (home >= 0 && to >= 0 && home != to && of_[s].to < 0) of_[s] = slots_with_evictions(v, x.stage, early(s));
    }
  }
  /// Null: the unit evicts nothing.
  evicted_slots const* of(std::size_t unit) const { return of_[unit].to < 0 ? nullptr : &of_[unit]; }

 private:
  std::vector<evicted_slots> of_;  // by unit
};

}  // namespace foal::executor
