// Where every op of a program sits: the tables that the proof and the analysis read.
#pragma once

#include <foal/core/flat_table.hpp>
#include <foal/schedule/proof/clock.hpp>
#include <foal/schedule/proof/well_formed.hpp>

namespace foal::schedule {

/// Numbers of ops in program_view::ops (-1: none) by (stage, position mod N, segment), which are of one replica, and by
/// (unit, position in the rank's list); slots of ops as if all belonged to minibatch 0. Microbatch m = j + k N of the run is
/// then at slot + k * period.
struct timeline {
  int microbatches = 1, period = 0;
  int_table forward, backward, weight, recompute;  // [cell]; BW is in backward and in weight
  int_table forward_order, backward_order;         // [unit * row + i]
  int_table recompute_order;                       // the same; empty without R
  int_table update, sum;                           // [rule.closing_cell()]: U, and G among replicas
  int_table rank;                                  // [unit]
  std::vector<int> head;                           // [stage], recompute_groups_of()
  int_table slot;                                  // [op]
  dependencies rule;
  clocked clock_result;  // of an untimed synchronous program

  constexpr int at(int stage, int j) const { return rule.numbering().at(stage, j); }

  /// The number of the op that is waited for, by the rule; -1: there is none.
  constexpr int find(input const& in) const {
    int_table const* const tables[] = {&forward, &backward, &weight, &backward, &recompute, &update, &sum};
    return tables[static_cast<int>(in.kind)]->data()[rule.cell(in)];
  }

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
  cells const numbering(v.size);
  int const row = numbering.row(), stages = v.size.stages;
  t.recompute_order.assign(t.forward_order.size(), -1);
  int_table count(t.rank.size(), 0);
  for (std::size_t i = 0; i < v.ops.size(); ++i) {
    if (v.ops[i].kind != op_kind::R) continue;
    int const unit = unit_of(v.size, v.ops[i].stage, v.ops[i].replica);
    t.recompute_order[static_cast<std::size_t>(unit * row + count[static_cast<std::size_t>(unit)]++)] = static_cast<int>(i);
  }
  for (int s = 0; s < stages; ++s) {
    if (t.head[static_cast<std::size_t>(s)] < 0) continue;
    for (int j = 0; j < row; ++j) {
      auto const c = static_cast<std::size_t>(s * row + j);
      if (t.recompute[c] >= 0) continue;
      op const& near = v.ops[static_cast<std::size_t>(t.backward[c])];
      int const home = t.rank[static_cast<std::size_t>(unit_of(v.size, s, near.replica))];
      return {.what = flaw::missing,
              .first = {.kind = op_kind::R,
                        .stage = s,
                        .microbatch = j / numbering.segments,
                        .replica = near.replica,
                        .segment = j % numbering.segments},
              .second = near,
              .first_rank = home,
              .second_rank = home};
    }
  }
  return {};
}

/// Every microbatch runs through one replica, and every replica has one. Needs all forwards.
constexpr verdict index_replicas(program_view v, timeline const& t) {
  std::vector<char> used(static_cast<std::size_t>(v.size.replicas), 0);
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : v.rank(r)) {
      if (o.kind == op_kind::U || o.kind == op_kind::G) continue;
      used[static_cast<std::size_t>(o.replica)] = 1;
      int const position = t.rule.numbering().position(o.microbatch);
      op const& enters = v.ops[static_cast<std::size_t>(t.forward[static_cast<std::size_t>(t.at(0, position))])];
      if (o.replica != enters.replica)
        return {.what = flaw::replica,
                .first = o,
                .second = enters,
                .first_rank = r,
                .second_rank = t.rank[static_cast<std::size_t>(unit_of(v.size, 0, enters.replica))]};
    }
  }
  for (int k = 0; k < v.size.replicas; ++k)
    if (used[static_cast<std::size_t>(k)] == 0) return {.what = flaw::unused, .found = k, .expected = v.size.replicas};
  return {};
}

/// Of a program with fewer ops than cells: the first cell without F.
constexpr verdict missing_forward(program_view v) {
  std::vector<char> there(v.ops.size() + 1, 0);
  auto const segments = static_cast<std::size_t>(v.size.segments), row = static_cast<std::size_t>(cells(v.size).row());
  for (op const& o : v.ops) {
    if (o.kind != op_kind::F) continue;
    auto const cell = static_cast<std::size_t>(o.stage) * row +
                      static_cast<std::size_t>(floor_mod(o.microbatch, v.size.microbatches)) * segments +
                      static_cast<std::size_t>(o.segment);
    if (cell < there.size()) there[cell] = 1;
  }
  std::size_t cell = 0;
  while (there[cell] != 0) ++cell;
  if (cell >= row * static_cast<std::size_t>(v.size.stages))  // fewer ops than units
    return {.what = flaw::unused, .found = v.size.replicas - 1, .expected = v.size.replicas};
  op const lost{.kind = op_kind::F,
                .stage = static_cast<int>(cell / row),
                .microbatch = static_cast<int>(cell % row / segments),
                .segment = static_cast<int>(cell % segments)};
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op const& o : v.rank(r)) {
      if (o.stage == lost.stage)
        return {.what = flaw::missing, .first = lost, .second = o, .first_rank = r, .second_rank = r};
    }
  }
  int const home = rank_of(v.size, lost.stage);
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

/// The first cell that lacks an op which its stage wants.
constexpr verdict missing_op(program_view v, timeline const& t, int cell, int_table const& first_op) {
  int const row = t.rule.numbering().row(), s = cell / row;
  auto const c = static_cast<std::size_t>(cell);
  gradients const want = v.wanted(s);
  int const f = t.forward[c], b = t.backward[c], w = t.weight[c];
  op_kind kind = f < 0 ? op_kind::F : (b < 0 ? (w < 0 ? op_kind::BW : op_kind::B) : op_kind::W);
  if (kind == op_kind::BW && want == gradients::input) kind = op_kind::B;
  int const there = f >= 0 ? f : (b >= 0 ? b : (w >= 0 ? w : first_op[static_cast<std::size_t>(s)]));
  int const replica = there < 0 ? 0 : v.ops[static_cast<std::size_t>(there)].replica;
  int const listed = t.rank[static_cast<std::size_t>(unit_of(v.size, s, replica))];
  int const home = listed < 0 ? rank_of(v.size, s, replica) : listed;
  op const lost{.kind = kind,
                .stage = s,
                .microbatch = cell % row / v.size.segments,
                .replica = replica,
                .segment = cell % v.size.segments};
  op const near = there < 0 ? lost : v.ops[static_cast<std::size_t>(there)];
  return {.what = flaw::missing, .first = lost, .second = near, .first_rank = home, .second_rank = home};
}

}  // namespace detail

/// Fills `t` and says whether every (stage, microbatch mod N, segment) has exactly one F, one backward for the input and one
/// for the weights where its stage wants them, and one R where it is recomputed, in one replica for all stages; all of one
/// unit on one rank. An untimed synchronous program is clocked. U and G may still be missing.
constexpr verdict index(program_view v, timeline& t) {
  if (verdict const bad = well_formed(v); !bad) return bad;
  if (!fills_cells(v)) return detail::missing_forward(v);
  t.rule = dependencies(v);
  cells const numbering(v.size);
  int const n = v.size.microbatches, stages = v.size.stages, row = numbering.row(), segments = v.size.segments;
  auto const size = static_cast<std::size_t>(stages * row), all = static_cast<std::size_t>(units(v.size));
  t.microbatches = n;
  for (auto* table : {&t.forward, &t.backward, &t.weight, &t.recompute}) table->assign(size, -1);
  for (auto* table : {&t.forward_order, &t.backward_order}) table->assign(all * static_cast<std::size_t>(row), -1);
  for (auto* table : {&t.update, &t.sum}) table->assign(static_cast<std::size_t>(t.rule.closing_cells()), -1);
  t.rank.assign(all, -1);
  int_table host(v.ops.size(), 0), first_op(all, -1), counted(all * 2, 0);
  int* const f = t.forward.data();
  int* const b = t.backward.data();
  int* const w = t.weight.data();
  int* const re = t.recompute.data();
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
      int const u = o.replica * stages + o.stage;
      hosts[i] = r;
      if (rank[u] < 0) {
        rank[u] = r;
        first[u] = i;
      } else if (rank[u] != r) {
        return {.what = flaw::placement, .first = o, .second = ops[first[u]], .first_rank = r, .second_rank = rank[u]};
      }
      int const cell =
          (o.stage * n + (o.microbatch >= 0 ? o.microbatch : floor_mod(o.microbatch, n))) * segments + o.segment;
      int other = -1;
      if (o.kind == op_kind::F) {
        other = f[cell];
        f[cell] = i;
        if (other < 0) f_order[u * row + count[2 * u]++] = i;
      } else if (o.kind == op_kind::U || o.kind == op_kind::G) {
        int& place = (o.kind == op_kind::U ? t.update : t.sum)[static_cast<std::size_t>(t.rule.cell(o))];
        other = place;
        place = i;
      } else if (o.kind == op_kind::R) {
        other = re[cell];
        re[cell] = i;
      } else {
        if (is_backward(o.kind)) {
          other = b[cell];
          b[cell] = i;
          if (other < 0) b_order[u * row + count[2 * u + 1]++] = i;
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
    bool const backward = want != gradients::none, weight = want == gradients::both;
    for (int c = s * row, end = c + row; c < end; ++c)
      if (f[c] < 0 || (backward && b[c] < 0) || (weight && w[c] < 0)) return detail::missing_op(v, t, c, first_op);
  }
  if (v.size.replicas > 1) {
    if (verdict const bad = detail::index_replicas(v, t); !bad) return bad;
  }
  t.head = t.rule.heads();
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
    t.clock_result = clock(v, t.rule);
    if (verdict const bad = deadlock(t.clock_result); !bad) return bad;
    t.slot = t.clock_result.slot;
    t.period = t.clock_result.slots;
    return {};
  }
  if (v.asynchronous && v.period == 0)
    return {.what = flaw::slot, .first = ops[0], .first_rank = hosts[0], .found = ops[0].slot, .expected = v.period};
  t.slot.assign(v.ops.size(), 0);
  int* const slot = t.slot.data();
  int const all_ops = static_cast<int>(v.ops.size());
  for (int i = 0; i < all_ops; ++i) {
    op const& o = ops[i];
    slot[i] = o.microbatch < 0 ? o.slot - v.period * floor_div(o.microbatch, n) : o.slot;
    if (!v.asynchronous && v.period == 0 && slot[i] >= t.period) t.period = slot[i] + 1;
  }
  return {};
}

}  // namespace foal::schedule
