// Gives an asynchronous program without slots its slots and its period: the shortest in which its lists can repeat.
#pragma once

#include <foal/schedule/proof/timeline.hpp>

namespace foal::schedule {

namespace detail {

/// An op starts at least `slots` after another, which runs `periods` periods earlier.
struct lag {
  int from = 0, to = 0, slots = 0, periods = 0;
};

/// The earliest slots with that period, by relaxing the lags (Bellman-Ford); false if they contradict each other or lead
/// beyond what can be counted.
constexpr bool relax(std::vector<lag> const& lags, int period, std::vector<int>& slot) {
  slot.assign(slot.size(), 0);
  for (std::size_t round = 0; round <= slot.size(); ++round) {
    bool changed = false;
    for (lag const& l : lags) {
      long long const earliest =
          slot[static_cast<std::size_t>(l.from)] + l.slots - static_cast<long long>(l.periods) * period;
      if (earliest > largest_slot) return false;
      int& at = slot[static_cast<std::size_t>(l.to)];
      if (earliest > at) at = static_cast<int>(earliest), changed = true;
    }
    if (!changed) return true;
  }
  return false;
}

}  // namespace detail

/// Takes one op a slot and rank, U in the slot of the op before it. Ops that start a period later than others are moved into
/// the period, with their microbatches, so the lists may come out rotated. Leaves a program alone that lacks ops or
/// deadlocks.
constexpr void repeat(program& p) {
  program_view const v = p.view();
  timeline t;
  // `untimed` is the last thing that index() looks for.
  if (index(v, t).what != flaw::untimed) return;
  int const n = v.size.microbatches;
  std::vector<detail::lag> lags;
  auto const minibatch = [&](int i) { return floor_div(v.ops[static_cast<std::size_t>(i)].microbatch, n); };
  int period = 1;
  for (int r = 0; r < v.size.ranks; ++r) {
    int const first = v.begin[static_cast<std::size_t>(r)], end = v.begin[static_cast<std::size_t>(r) + 1];
    if (first == end) continue;
    int load = 0;
    for (int i = first; i < end; ++i) {
      op const& o = v.ops[static_cast<std::size_t>(i)];
      bool const update = o.kind == op_kind::U;
      load += update ? 0 : 1;
      if (i > first) lags.push_back({.from = i - 1, .to = i, .slots = update ? 0 : 1});
      auto const needs = [&](input const& in) {
        if (int const y = t.find(in); y >= 0)
          lags.push_back({.from = y, .to = i, .slots = 1, .periods = minibatch(y) - minibatch(i)});
      };
      if (update)
        t.rule.for_each_crossing_input(o, needs);  // its own gradients are for prove() to look at
      else
        t.rule.for_each_input(o, needs);
    }
    lags.push_back({.from = end - 1, .to = first, .slots = 1, .periods = 1});
    period = std::max(period, load);
  }
  std::vector<int> slot(v.ops.size(), 0);
  int const serial = static_cast<int>(v.ops.size());  // one op at a time is always possible if anything is
  while (period <= serial && !detail::relax(lags, period, slot)) ++period;
  if (period > serial) return;

  std::size_t i = 0;
  for (int r = 0; r < v.size.ranks; ++r) {
    std::vector<op> early, late;
    for (op o : v.rank(r)) {
      int const periods = slot[i] / period;
      o.slot = slot[i++] - periods * period;
      o.microbatch -= periods * n;
      std::vector<op>& part = early.empty() || o.slot >= early.back().slot ? early : late;
      o.lane = !part.empty() && part.back().slot == o.slot ? part.back().lane + 1 : 0;
      part.push_back(o);
    }
    late.insert(late.end(), early.begin(), early.end());
    p.list(r) = std::move(late);
  }
  p.period(period);
}

}  // namespace foal::schedule
