// Where every op of a program sits: the tables that the proof and the analysis read.
#pragma once

#include <foal/schedule/proof/clock.hpp>
#include <foal/schedule/proof/well_formed.hpp>

namespace foal::schedule {

/// Numbers of ops in program_view::ops (-1: none) by (stage, microbatch mod N) and by (stage, position in the rank's list);
/// slots of ops as if all belonged to minibatch 0. Microbatch m = j + k N of the run is then at slot + k * period.
struct timeline {
  int microbatches = 1, period = 0;
  std::vector<int> forward, backward, weight, recompute;  // [s * N + j]; BW is in backward and in weight
  std::vector<int> forward_order, backward_order;         // [s * N + i]
  std::vector<int> recompute_order;                       // the same; empty without R
  std::vector<int> update, rank;                          // [s]
  std::vector<int> head;                                  // [s], segments_of()
  std::vector<int> slot;                                  // [op]
  clocked clock_result;                                   // of an untimed synchronous program

  constexpr int at(int stage, int j) const { return stage * microbatches + j; }

  /// x before y, two ops in minibatch 0 (or `shift` slots earlier for x). On one rank lanes and the list count too.
  constexpr bool before(program_view const& v, int x, int y, bool same_rank, int shift = 0) const {
    auto const i = static_cast<std::size_t>(x), k = static_cast<std::size_t>(y);
    int const a = slot.data()[i] - shift, b = slot.data()[k];
    if (a != b || !same_rank) return a < b;
    int const la = v.ops.data()[i].lane, lb = v.ops.data()[k].lane;
    return la != lb ? la < lb : x < y;
  }
};

namespace detail {

/// Fills in the order of R's, and says whether a recomputed stage has one for every microbatch.
constexpr verdict index_recompute(program_view v, timeline& t) {
  int const n = v.size.microbatches, stages = v.size.stages;
  t.recompute_order.assign(t.forward.size(), -1);
  std::vector<int> count(static_cast<std::size_t>(stages), 0);
  for (std::size_t i = 0; i < v.ops.size(); ++i) {
    if (v.ops[i].kind != op_kind::R) continue;
    int const s = v.ops[i].stage;
    t.recompute_order[static_cast<std::size_t>(t.at(s, count[static_cast<std::size_t>(s)]++))] = static_cast<int>(i);
  }
  for (int s = 0; s < stages; ++s) {
    if (t.head[static_cast<std::size_t>(s)] < 0) continue;
    for (int j = 0; j < n; ++j) {
      auto const c = static_cast<std::size_t>(t.at(s, j));
      if (t.recompute[c] >= 0) continue;
      int const home = t.rank[static_cast<std::size_t>(s)];
      return {.what = flaw::missing,
              .first = {.kind = op_kind::R, .stage = s, .microbatch = j},
              .second = v.ops[static_cast<std::size_t>(t.backward[c])],
              .first_rank = home,
              .second_rank = home};
    }
  }
  return {};
}

}  // namespace detail

namespace detail {

/// Of a program with fewer ops than cells: the first cell without F.
constexpr verdict missing_forward(program_view v) {
  std::vector<char> there(v.ops.size() + 1, 0);
  for (op const& o : v.ops) {
    if (o.kind != op_kind::F) continue;
    auto const cell = static_cast<std::size_t>(o.stage) * static_cast<std::size_t>(v.size.microbatches) +
                      static_cast<std::size_t>(floor_mod(o.microbatch, v.size.microbatches));
    if (cell < there.size()) there[cell] = 1;
  }
  std::size_t cell = 0;
  while (there[cell] != 0) ++cell;
  auto const n = static_cast<std::size_t>(v.size.microbatches);
  op const lost{.kind = op_kind::F, .stage = static_cast<int>(cell / n), .microbatch = static_cast<int>(cell % n)};
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : v.rank(r)) {
      if (o.stage == lost.stage)
        return {.what = flaw::missing, .first = lost, .second = o, .first_rank = r, .second_rank = r};
    }
  }
  int const home = contiguous_rank(v.size, lost.stage);
  return {.what = flaw::missing, .first = lost, .second = lost, .first_rank = home, .second_rank = home};
}

/// Gives an asynchronous program's lists, which have no slots yet, the proof that they do not block.
constexpr verdict runs_untimed(program_view v) {
  constexpr int most_ops = 1 << 24;
  int const most = most_ops / static_cast<int>(v.ops.size()) - 2;
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : v.rank(r)) {
      if (int const behind = -floor_div(o.microbatch, v.size.microbatches); behind > most)
        return {.what = flaw::depth, .first = o, .first_rank = r, .found = behind, .expected = most};
    }
  }
  return deadlock(clock_run(v));
}

}  // namespace detail

/// Fills `t` and says whether every (stage, microbatch mod N) has exactly one F, one backward for the input and one for the
/// weights where its stage wants them, and one R where it is recomputed, all of one stage on one rank. An untimed
/// synchronous program is clocked. U may still be missing.
constexpr verdict index(program_view v, timeline& t) {
  if (verdict const bad = well_formed(v); !bad) return bad;
  if (!fills_cells(v)) return detail::missing_forward(v);
  int const n = v.size.microbatches, stages = v.size.stages;
  auto const cells = static_cast<std::size_t>(stages) * static_cast<std::size_t>(n);
  t.microbatches = n;
  for (auto* table : {&t.forward, &t.backward, &t.weight, &t.recompute, &t.forward_order, &t.backward_order})
    table->assign(cells, -1);
  for (auto* table : {&t.update, &t.rank}) table->assign(static_cast<std::size_t>(stages), -1);
  std::vector<int> host(v.ops.size(), 0), first_op(static_cast<std::size_t>(stages), -1);
  std::vector<int> counted(static_cast<std::size_t>(stages) * 2, 0);
  int* const f = t.forward.data();
  int* const b = t.backward.data();
  int* const w = t.weight.data();
  int* const re = t.recompute.data();
  int* const update = t.update.data();
  int* const rank = t.rank.data();
  int* const hosts = host.data();
  int* const first = first_op.data();
  int* const count = counted.data();
  int* const f_order = t.forward_order.data();
  int* const b_order = t.backward_order.data();
  op const* const ops = v.ops.data();

  for (int r = 0; r < v.size.ranks; ++r) {
    int const end = v.begin[static_cast<std::size_t>(r) + 1];
    for (int i = v.begin[static_cast<std::size_t>(r)]; i < end; ++i) {
      op const& o = ops[i];
      int const s = o.stage;
      hosts[i] = r;
      if (rank[s] < 0) {
        rank[s] = r;
        first[s] = i;
      } else if (rank[s] != r) {
        return {.what = flaw::placement, .first = o, .second = ops[first[s]], .first_rank = r, .second_rank = rank[s]};
      }
      int const cell = s * n + (o.microbatch >= 0 ? o.microbatch : floor_mod(o.microbatch, n));
      int other = -1;
      if (o.kind == op_kind::F) {
        other = f[cell];
        f[cell] = i;
        if (other < 0) f_order[s * n + count[2 * s]++] = i;
      } else if (o.kind == op_kind::U) {
        other = update[s];
        update[s] = i;
      } else if (o.kind == op_kind::R) {
        other = re[cell];
        re[cell] = i;
      } else {
        if (is_backward(o.kind)) {
          other = b[cell];
          b[cell] = i;
          if (other < 0) b_order[s * n + count[2 * s + 1]++] = i;
        }
        if (adds_weight_gradient(o.kind)) {
          if (other < 0) other = w[cell];
          w[cell] = i;
        }
      }
      if (other >= 0)
        return {.what = flaw::twice, .first = ops[other], .second = o, .first_rank = hosts[other], .second_rank = r};
    }
  }

  for (int s = 0; s < stages; ++s) {
    gradients const want = v.wanted(s);
    for (int j = 0; j < n; ++j) {
      int const c = t.at(s, j);
      if (f[c] >= 0 && (b[c] >= 0 || want == gradients::none) && (w[c] >= 0 || want != gradients::both)) continue;
      op_kind kind = f[c] < 0 ? op_kind::F : (b[c] < 0 ? (w[c] < 0 ? op_kind::BW : op_kind::B) : op_kind::W);
      if (kind == op_kind::BW && want == gradients::input) kind = op_kind::B;
      int const there = f[c] >= 0 ? f[c] : (b[c] >= 0 ? b[c] : (w[c] >= 0 ? w[c] : first[s]));
      int const home =
          t.rank[static_cast<std::size_t>(s)] < 0 ? contiguous_rank(v.size, s) : t.rank[static_cast<std::size_t>(s)];
      op const lost{.kind = kind, .stage = s, .microbatch = j};
      op const near = there < 0 ? lost : ops[there];
      return {.what = flaw::missing, .first = lost, .second = near, .first_rank = home, .second_rank = home};
    }
  }
  t.head = segments_of(v);
  if (!t.head.empty()) {
    if (verdict const bad = detail::index_recompute(v, t); !bad) return bad;
  }

  t.period = v.period;
  if (untimed(v)) {
    if (v.asynchronous) {
      if (verdict const bad = detail::runs_untimed(v); !bad) return bad;
      for (std::size_t i = 0; i < v.ops.size(); ++i) {
        if (v.ops[i].slot < 0) return {.what = flaw::untimed, .first = v.ops[i], .first_rank = host[i]};
      }
    }
    t.clock_result = clock(v);
    if (verdict const bad = deadlock(t.clock_result); !bad) return bad;
    t.slot = t.clock_result.slot;
    t.period = t.clock_result.slots;
    return {};
  }
  if (v.asynchronous && v.period == 0)
    return {.what = flaw::slot, .first = ops[0], .first_rank = hosts[0], .found = ops[0].slot, .expected = v.period};
  t.slot.assign(v.ops.size(), 0);
  int* const slot = t.slot.data();
  int const size = static_cast<int>(v.ops.size());
  for (int i = 0; i < size; ++i) {
    op const& o = ops[i];
    slot[i] = o.microbatch < 0 ? o.slot - v.period * floor_div(o.microbatch, n) : o.slot;
    if (!v.asynchronous && v.period == 0 && slot[i] >= t.period) t.period = slot[i] + 1;
  }
  return {};
}

}  // namespace foal::schedule
