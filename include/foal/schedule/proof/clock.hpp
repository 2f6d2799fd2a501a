// Gives a program without slots its slots, by running it as messages would: each op as early as its inputs and its rank
// allow.
#pragma once

#include <algorithm>

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
  std::vector<int> slot;
  std::vector<stuck> blocked;
  int slots = 0;  ///< last slot + 1
};

/// Each op takes one slot; U shares the slot of the op before it. Needs a synchronous program that is well_formed() and
/// fills_cells().
/// An op listed twice or missing makes no difference here; prove() looks for those.
constexpr clocked clock(program_view v) {
  int const n = v.size.microbatches, stages = v.size.stages, ranks = v.size.ranks;
  auto const cells = static_cast<std::size_t>(stages) * static_cast<std::size_t>(n);
  clocked c;
  c.slot.assign(v.ops.size(), -1);
  std::vector<int> done_f(cells, -1), done_b(cells, -1), home(static_cast<std::size_t>(stages), -1);
  std::vector<int> next(v.begin.begin(), v.begin.end()), free_at(static_cast<std::size_t>(ranks), 0);
  std::vector<int> todo;
  std::vector<char> queued(static_cast<std::size_t>(ranks), 1);
  std::vector<int> const heads = segments_of(v);
  std::vector<int> done_r(heads.empty() ? 0 : cells, -1);
  for (int r = ranks - 1; r >= 0; --r) {
    todo.push_back(r);
    for (op const& o : v.rank(r)) home[static_cast<std::size_t>(o.stage)] = r;
  }
  int* const f = done_f.data();
  int* const b = done_b.data();
  int* const re = done_r.data();
  int* const free_slot = free_at.data();
  op const* const ops = v.ops.data();

  int* const slots = c.slot.data();
  int* const position = next.data();
  char* const waiting = queued.data();
  int const* const host = home.data();
  int const* const begin = v.begin.data();

  // The first slot after the op's inputs, or -1 and what is missing.
  auto const ready = [&](op const& o, op& needs) {
    int const at = o.stage * n + o.microbatch;
    bool const backward = is_backward(o.kind);
    if (o.kind == op_kind::F) {
      if (o.stage == 0) return 0;
      if (f[at - n] < 0) needs = op{.kind = op_kind::F, .stage = o.stage - 1, .microbatch = o.microbatch};
      return f[at - n] < 0 ? -1 : f[at - n] + 1;
    }
    if (o.kind == op_kind::W) {
      if (b[at] < 0) needs = op{.kind = op_kind::B, .stage = o.stage, .microbatch = o.microbatch};
      return b[at] < 0 ? -1 : b[at] + 1;
    }
    if (f[at] < 0) {
      needs = op{.kind = op_kind::F, .stage = o.stage, .microbatch = o.microbatch};
      return -1;
    }
    if (!heads.empty() && heads[static_cast<std::size_t>(o.stage)] >= 0) {
      if (o.kind == op_kind::R && continues_segment(heads, o.stage)) {
        if (re[at - n] < 0) needs = op{.kind = op_kind::R, .stage = o.stage - 1, .microbatch = o.microbatch};
        return re[at - n] < 0 ? -1 : (re[at - n] > f[at] ? re[at - n] : f[at]) + 1;
      }
      if (backward && re[at] < 0) {
        needs = op{.kind = op_kind::R, .stage = o.stage, .microbatch = o.microbatch};
        return -1;
      }
    }
    // R of the stage is on its rank, which is free only after it.
    if (!backward || o.stage + 1 == stages) return f[at] + 1;
    if (b[at + n] < 0) needs = op{.kind = o.kind, .stage = o.stage + 1, .microbatch = o.microbatch};
    return b[at + n] < 0 ? -1 : (b[at + n] > f[at] ? b[at + n] : f[at]) + 1;
  };
  auto const wake = [&](int stage) {
    if (stage < 0 || stage >= stages) return;
    int const r = host[stage];
    if (r < 0 || waiting[r] != 0) return;
    waiting[r] = 1;
    todo.push_back(r);
  };

  while (!todo.empty()) {
    int const r = todo.back();
    todo.pop_back();
    waiting[r] = 0;
    int i = position[r], free = free_slot[r];
    for (int const end = begin[r + 1]; i < end; ++i) {
      op const& o = ops[i];
      if (o.kind == op_kind::U) {
        slots[i] = free > 0 ? free - 1 : 0;
        continue;
      }
      op needs;
      int const earliest = ready(o, needs);
      if (earliest < 0) break;
      int const slot = earliest > free ? earliest : free;
      slots[i] = slot;
      free = slot + 1;
      if (o.kind == op_kind::F) {
        f[o.stage * n + o.microbatch] = slot;
        wake(o.stage + 1);
      } else if (o.kind == op_kind::R && !heads.empty()) {
        re[o.stage * n + o.microbatch] = slot;
        wake(o.stage + 1);
      } else if (is_backward(o.kind)) {
        b[o.stage * n + o.microbatch] = slot;
        wake(o.stage - 1);
      }
    }
    position[r] = i;
    free_slot[r] = free;
    if (free > c.slots) c.slots = free;
  }
  for (int r = 0; r < ranks; ++r) {
    int const i = next[static_cast<std::size_t>(r)];
    if (i == v.begin[static_cast<std::size_t>(r) + 1]) continue;
    clocked::stuck s{.rank = r, .waits = ops[i]};
    ready(ops[i], s.needs);
    s.from = home[static_cast<std::size_t>(s.needs.stage)];
    c.blocked.push_back(s);
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
  program whole({v.size.stages, v.size.ranks, (drain + 2) * v.size.microbatches}, 0, false);
  whole.recompute({v.recompute.begin(), v.recompute.end()});
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : run[static_cast<std::size_t>(r)]) whole(r, o);
  }
  return clock(whole.view());
}

/// True if some op has no slot yet.
constexpr bool untimed(program_view v) {
  for (op const& o : v.ops) {
    if (o.slot < 0) return true;
  }
  return false;
}

}  // namespace foal::schedule
