// Gives a program without slots its slots, by running it as messages would: each op as early as its inputs and its rank
// allow.
#pragma once

#include <algorithm>

#include <foal/core/flat_table.hpp>
#include <foal/schedule/edges.hpp>
#include <foal/schedule/proof/verdict.hpp>
#include <foal/schedule/unroll.hpp>

namespace foal::schedule {

/// Slots of a synchronous program's ops (-1: never runs) and the op at which each stuck rank waits.
struct clocked {
  struct stuck {
    int rank = 0;
    op waits{};    ///< the op that cannot start
    op needs{};    ///< what it waits for
    int from = 0;  ///< the rank that has `needs` in its list, -1: none
  };
  int_table slot;
  std::vector<stuck> blocked;
  int slots = 0;  ///< last slot + 1
};

/// Each op takes one slot; U shares the slot of the op before it, unless it waits for other units. Needs a synchronous
/// program that is well_formed() and fills_cells(), and the rule of its dependencies. An op listed twice or missing makes no
/// difference here; prove() looks for those.
constexpr clocked clock(program_view v, dependencies const& rule) {
  int const ranks = v.size.ranks;
  auto const size = static_cast<std::size_t>(v.size.stages * rule.numbering().row());
  clocked c;
  c.slot.assign(v.ops.size(), -1);
  // By cell: the slot in which the op ran; -1: it has not; below: nor has it, and rank -2 - value, or one of those that
  // `behind` strings together from there, waits for it.
  int_table done_f(size, -1), done_b(size, -1), done_w, done_r, done_g;
  op const* const ops = v.ops.data();
  for (std::size_t i = 0; i < v.ops.size(); ++i) {
    op const& o = ops[i];
    if (o.kind == op_kind::F || o.kind == op_kind::BW) continue;
    if (o.kind == op_kind::W && done_w.empty()) done_w.assign(size, -1);
    if (o.kind == op_kind::R && done_r.empty()) done_r.assign(size, -1);
    if (o.kind == op_kind::G && done_g.empty()) done_g.assign(static_cast<std::size_t>(rule.closing_cells()), -1);
  }
  if (!rule.heads().empty() && done_r.empty()) done_r.assign(size, -1);
  if (v.size.replicas > 1 && done_g.empty()) done_g.assign(static_cast<std::size_t>(rule.closing_cells()), -1);
  int* const tables[] = {done_f.data(), done_b.data(), done_w.data(), done_b.data(), done_r.data(), nullptr, done_g.data()};
  auto const all = static_cast<std::size_t>(ranks);
  int_table next(all, 0), free_at(all, 0), waiters(all, -1), awake(all, 0);
  int* const slots = c.slot.data();
  int* const position = next.data();
  int* const free_slot = free_at.data();
  int* const behind = waiters.data();
  int* const work = awake.data();
  int const* const begin = v.begin.data();
  bool const together = v.global_norm || v.size.replicas > 1;  // U's wait for other units
  int waiting = ranks;
  for (int r = 0; r < ranks; ++r) work[r] = ranks - 1 - r, position[r] = begin[r];

  // The first slot after the op's inputs, or -1 and the first that is missing.
  int earliest = 0;
  int* missing = nullptr;
  input needs;
  auto const look = [&](input const& in) {
    int* const at = tables[static_cast<int>(in.kind)] + rule.cell(in);
    if (*at >= earliest)
      earliest = *at + 1;
    else if (*at < 0 && missing == nullptr)
      missing = at, needs = in;
  };
  auto const ready = [&](op const& o) {
    earliest = 0;
    missing = nullptr;
    if (o.kind == op_kind::U)
      rule.for_each_crossing_input(o, look);  // its own gradients are for prove() to look at
    else
      rule.for_each_input(o, look);
  };

  while (waiting > 0) {
    int const r = work[--waiting];
    int i = position[r], free = free_slot[r];
    for (int const end = begin[r + 1]; i < end; ++i) {
      op const& o = ops[i];
      if (o.kind == op_kind::U && !together) {
        slots[i] = free > 0 ? free - 1 : 0;
        continue;
      }
      ready(o);
      if (missing != nullptr) {
        behind[r] = *missing;
        *missing = -2 - r;
        break;
      }
      if (o.kind == op_kind::U && earliest < free) {
        slots[i] = free - 1;
        continue;
      }
      int const slot = earliest > free ? earliest : free;
      slots[i] = slot;
      free = slot + 1;
      if (o.kind == op_kind::U) continue;
      int& at = tables[static_cast<int>(o.kind)][rule.cell(o)];
      int waits = at;
      at = slot;
      for (; waits < -1; waits = behind[-2 - waits]) work[waiting++] = -2 - waits;
    }
    position[r] = i;
    free_slot[r] = free;
    if (free > c.slots) c.slots = free;
  }
  std::vector<int> home;
  for (int r = 0; r < ranks; ++r) {
    int const i = position[r];
    if (i == begin[r + 1]) continue;
    if (home.empty()) home = ranks_of(v);
    ready(ops[i]);
    c.blocked.push_back({.rank = r,
                         .waits = ops[i],
                         .needs = op_of(needs),
                         .from = home[static_cast<std::size_t>(unit_of(v.size, needs.stage, needs.replica))]});
  }
  return c;
}

/// The circle of waiting ranks as a verdict: its lowest rank's op and that of the rank it waits for.
constexpr verdict deadlock(clocked const& c) {
  auto const at = [&](int rank) -> clocked::stuck const* {
    for (auto const& s : c.blocked) {
      if (s.rank == rank) return &s;
    }
    return nullptr;
  };
  if (c.blocked.empty()) return {};
  clocked::stuck const* s = &c.blocked.front();
  // After as many hops as there are stuck ranks the walk is on the circle.
  for (std::size_t hop = 0; hop < c.blocked.size(); ++hop) {
    clocked::stuck const* const other = at(s->from);
    if (other == nullptr)
      return {.what = flaw::missing, .first = s->needs, .second = s->waits, .first_rank = s->from, .second_rank = s->rank};
    s = other;
  }
  clocked::stuck const* lowest = s;
  int circle = 1;
  for (clocked::stuck const* p = at(s->from); p != s; p = at(p->from), ++circle) {
    if (p->rank < lowest->rank) lowest = p;
  }
  if (circle == 1)  // it waits for an op that is further down its own list
    return {.what = flaw::dependency,
            .first = s->waits,
            .second = s->needs,
            .first_rank = s->rank,
            .second_rank = s->rank,
            .found = -1,
            .expected = -1};
  clocked::stuck const* const other = at(lowest->from);
  return {.what = flaw::deadlock,
          .first = lowest->waits,
          .second = other->waits,
          .first_rank = lowest->rank,
          .second_rank = other->rank,
          .found = circle};
}

/// The same for a run of an asynchronous program that fills the pipeline once and repeats twice, from its lists alone, whose
/// ops it writes out.
constexpr clocked clock_run(program_view v) {
  int drain = 0;
  for (op const& o : v.ops) drain = std::max(drain, -floor_div(o.microbatch, v.size.microbatches));
  auto const run = unroll(v, drain + 2);
  extent whole_run = v.size;
  whole_run.microbatches *= drain + 2;
  program whole(whole_run, 0, false);
  whole.recompute({v.recompute.begin(), v.recompute.end()});
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : run[static_cast<std::size_t>(r)]) whole(r, o);
  }
  program_view const of = whole.view();
  return clock(of, dependencies(of));
}

/// True if some op has no slot yet.
constexpr bool untimed(program_view v) {
  op const* const ops = v.ops.data();
  for (std::size_t i = 0; i < v.ops.size(); ++i)
    if (ops[i].slot < 0) return true;
  return false;
}

}  // namespace foal::schedule
