// Gives a program without slots its slots, by running it as messages would: each op as early as its inputs and its rank
// allow.
#pragma once

#include <foal/schedule/program.hpp>
#include <foal/schedule/verdict.hpp>

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

/// Each op takes one slot; U shares the slot of the op before it. Needs ops whose stage is in [0, S), microbatch in [0, N).
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
  for (int r = ranks - 1; r >= 0; --r) {
    todo.push_back(r);
    for (op const& o : v.rank(r)) home[static_cast<std::size_t>(o.stage)] = r;
  }
  int* const f = done_f.data();
  int* const b = done_b.data();
  int* const free_slot = free_at.data();
  op const* const ops = v.ops.data();

  // The slot in which the op's inputs are there, or -1 and what is missing.
  auto const ready = [&](op const& o, op& needs) {
    int const at = o.stage * n + o.microbatch;
    int slot = 0;
    auto const input = [&](int const* done, op_kind kind, int stage) {
      int const end = done[stage * n + o.microbatch];
      if (slot < 0) return;
      if (end < 0) needs = op{.kind = kind, .stage = stage, .microbatch = o.microbatch};
      slot = end < 0 ? -1 : (end + 1 > slot ? end + 1 : slot);
    };
    if (o.kind == op_kind::F) {
      if (o.stage > 0) input(f, op_kind::F, o.stage - 1);
    } else if (is_backward(o.kind)) {
      input(f, op_kind::F, o.stage);
      if (o.stage + 1 < stages) input(b, o.kind, o.stage + 1);
    } else if (o.kind == op_kind::W) {
      slot = b[at] + 1 > 0 ? b[at] + 1 : -1;
      needs = op{.kind = op_kind::B, .stage = o.stage, .microbatch = o.microbatch};
    } else if (o.kind == op_kind::R) {
      input(f, op_kind::F, o.stage);
    }
    return slot;
  };
  auto const wake = [&](int stage) {
    if (stage < 0 || stage >= stages) return;
    int const r = home[static_cast<std::size_t>(stage)];
    if (r < 0 || queued[static_cast<std::size_t>(r)] != 0) return;
    queued[static_cast<std::size_t>(r)] = 1;
    todo.push_back(r);
  };

  while (!todo.empty()) {
    int const r = todo.back();
    todo.pop_back();
    auto const rank = static_cast<std::size_t>(r);
    queued[rank] = 0;
    int& i = next[rank];
    int const end = v.begin[rank + 1];
    for (; i < end; ++i) {
      op const& o = ops[i];
      if (o.kind == op_kind::U) {
        c.slot[static_cast<std::size_t>(i)] = free_slot[r] > 0 ? free_slot[r] - 1 : 0;
        continue;
      }
      op needs;
      int const earliest = ready(o, needs);
      if (earliest < 0) break;
      int const slot = earliest > free_slot[r] ? earliest : free_slot[r];
      c.slot[static_cast<std::size_t>(i)] = slot;
      free_slot[r] = slot + 1;
      if (slot + 1 > c.slots) c.slots = slot + 1;
      if (o.kind == op_kind::F) {
        f[o.stage * n + o.microbatch] = slot;
        wake(o.stage + 1);
      } else if (is_backward(o.kind)) {
        b[o.stage * n + o.microbatch] = slot;
        wake(o.stage - 1);
      }
    }
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

/// True if some op has no slot yet.
constexpr bool untimed(program_view v) {
  for (op const& o : v.ops) {
    if (o.slot < 0) return true;
  }
  return false;
}

}  // namespace foal::schedule
