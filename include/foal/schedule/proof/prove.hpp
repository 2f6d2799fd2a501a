// The proof that a program runs: each op once, dependencies met, no deadlock, updates in place, channels in FIFO order.
#pragma once

#include <foal/schedule/proof/evictions.hpp>
#include <foal/schedule/proof/offloads.hpp>
#include <foal/schedule/proof/timeline.hpp>

namespace foal::schedule {

namespace detail {

constexpr verdict wrong(program_view const& v, timeline const& t, flaw what, int first, int second) {
  auto const i = static_cast<std::size_t>(first), k = static_cast<std::size_t>(second);
  auto const rank = [&](op const& o) { return t.rank[static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica))]; };
  return {.what = what,
          .first = v.ops[i],
          .second = v.ops[k],
          .first_rank = rank(v.ops[i]),
          .second_rank = rank(v.ops[k]),
          .found = t.slot[i],
          .expected = t.slot[k]};
}

/// Every list follows (slot, lane), and lies in one period.
constexpr verdict prove_lists(program_view const& v, timeline const& t) {
  op const* const ops = v.ops.data();
  for (int r = 0; r < v.size.ranks; ++r) {
    op const* last = nullptr;
    for (int i = v.begin[static_cast<std::size_t>(r)], end = v.begin[static_cast<std::size_t>(r) + 1]; i < end; ++i) {
      op const& o = ops[i];
      if (o.slot >= t.period)
        return {.what = flaw::slot, .first = o, .first_rank = r, .found = o.slot, .expected = t.period};
      if (last != nullptr && !(last->slot < o.slot || (last->slot == o.slot && last->lane < o.lane)))
        return {.what = flaw::order, .first = *last, .second = o, .first_rank = r, .second_rank = r};
      last = &o;
    }
  }
  return {};
}

/// Every op runs after what it waits for. The gradients that an update consumes are left to prove_updates().
constexpr verdict prove_inputs(program_view const& v, timeline const& t) {
  int const* const rank = t.rank.data();
  int const* const slot = t.slot.data();
  op const* const ops = v.ops.data();
  int const stages = v.size.stages;
  bool const sums = v.size.replicas > 1;
  int at = 0, late = -1;
  for (int r = 0; r < v.size.ranks; ++r) {
    auto const look = [&](input const& in) {
      int const y = t.find(in);
      if (y < 0 || slot[y] < slot[at]) return;
      if (!t.before(v, y, at, rank[in.replica * stages + in.stage] == r)) late = y;
    };
    for (int const end = v.begin[static_cast<std::size_t>(r) + 1]; at < end; ++at) {
      op const& o = ops[at];
      if (o.kind != op_kind::U || sums)
        t.rule.for_each_input(o, look);
      else if (v.global_norm)
        t.rule.for_each_crossing_input(o, look);
      if (late >= 0) return wrong(v, t, flaw::dependency, at, late);
    }
  }
  return {};
}

/// The U's (and G's) of a unit are there, each after the gradients that it consumes and before those that the next one does.
constexpr verdict prove_updates(program_view const& v, timeline const& t, int unit) {
  int const row = t.rule.numbering().row(), n = v.size.microbatches, segments = v.size.segments;
  int const stage = stage_of(v.size, unit), replica = replica_of(v.size, unit),
            home = t.rank[static_cast<std::size_t>(unit)];
  op const* const ops = v.ops.data();
  int const* const slot = t.slot.data();
  int const* const update = t.update.data();
  int const* const forward = t.forward.data() + stage * row;
  int const* const weight = t.weight.data() + stage * row;
  int const* const recompute = t.recompute.data() + stage * row;
  int const last = update[t.rule.closing_cell(unit, n - 1)];
  auto const lost = [&](op_kind kind, int position, int near) {
    op const o{.kind = kind, .stage = stage, .microbatch = position, .replica = replica};
    return verdict{.what = flaw::missing, .first = o, .second = ops[near], .first_rank = home, .second_rank = home};
  };
  if (last < 0 || floor_mod(ops[last].microbatch, n) != n - 1) {
    int near = last;  // a U that names another microbatch than the last one
    for (int j = 0; j < n && near < 0; ++j) near = update[t.rule.closing_cell(unit, j)];
    if (near >= 0)
      return {.what = flaw::range, .first = ops[near], .first_rank = home, .found = ops[near].microbatch, .expected = n};
    int of = row - 1;
    while (of > 0 && ops[weight[of]].replica != replica) --of;
    return lost(op_kind::U, n - 1, weight[of]);
  }
  // Side by side with an op that reads the weights, U comes after it.
  auto const overtakes = [&](int reader, int u) {
    bool const beside = (slot[reader] - slot[u]) % t.period == 0;
    return beside && ops[reader].lane >= ops[u].lane && reader > u;
  };
  int before = last, shift = t.period;  // the update before those gradients, so many slots ago
  for (int j = 0; j < n; ++j) {
    int const closing = t.rule.closing(unit, j), u = closing == n - 1 ? last : update[t.rule.closing_cell(unit, closing)];
    for (int c = j * segments; c < (j + 1) * segments; ++c) {
      int const w = weight[c], f = forward[c];
      if (ops[f].replica != replica) continue;
      if (!t.before(v, w, u, true)) return wrong(v, t, flaw::update, u, w);
      if (!t.before(v, before, w, true, shift)) return wrong(v, t, flaw::update, before, w);
      if (overtakes(f, u)) return wrong(v, t, flaw::update, u, f);
      if (recompute[c] >= 0 && overtakes(recompute[c], u)) return wrong(v, t, flaw::update, u, recompute[c]);
    }
    if (j != closing) continue;
    if (v.size.replicas > 1) {
      int const g = t.sum[static_cast<std::size_t>(t.rule.closing_cell(unit, j))];
      if (g < 0) return lost(op_kind::G, j, u);
      if (floor_mod(ops[g].microbatch, n) != j)
        return {.what = flaw::range, .first = ops[g], .first_rank = home, .found = ops[g].microbatch, .expected = n};
    }
    if (u != last && v.global_norm) return {.what = flaw::norm, .found = 2, .expected = stage};
    before = u, shift = 0;
  }
  return {};
}

/// With several U's in a period no forward or R beside any of them comes after it.
constexpr verdict prove_readers(program_view const& v, timeline const& t) {
  for (int const u : t.update) {
    if (u < 0) continue;
    op const& update = v.ops[static_cast<std::size_t>(u)];
    int const r = t.rank[static_cast<std::size_t>(unit_of(v.size, update.stage, update.replica))];
    // Lists follow the slots of a period: what is beside U comes next to it.
    for (int i = u + 1; i < v.begin[static_cast<std::size_t>(r) + 1]; ++i) {
      if ((t.slot[static_cast<std::size_t>(i)] - t.slot[static_cast<std::size_t>(u)]) % t.period != 0) break;
      op const& o = v.ops[static_cast<std::size_t>(i)];
      bool const reads = o.kind == op_kind::F || o.kind == op_kind::R;
      if (reads && o.stage == update.stage && o.replica == update.replica && o.lane >= update.lane)
        return wrong(v, t, flaw::update, u, i);
    }
  }
  return {};
}

/// Replicas update at the same microbatches, so that what G sums is of the same ones.
constexpr verdict prove_replicas(program_view const& v, timeline const& t) {
  for (int u : t.update) {
    if (u < 0) continue;
    op const& o = v.ops[static_cast<std::size_t>(u)];
    for (int k = 0; k < v.size.replicas; ++k) {
      int const unit = unit_of(v.size, o.stage, k), position = floor_mod(o.microbatch, v.size.microbatches);
      int const rank = t.rank[static_cast<std::size_t>(unit)];
      if (t.rule.closing(unit, position) == position) continue;
      op const lost{.kind = op_kind::U, .stage = o.stage, .microbatch = position, .replica = k};
      return {.what = flaw::missing,
              .first = lost,
              .second = o,
              .first_rank = rank,
              .second_rank = t.rank[static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica))]};
    }
  }
  return {};
}

/// What comes over a channel is taken in the order in which it was sent, from one period into the next. `taken`: the row of
/// ops of a unit that take it, `sent`: of those that send.
constexpr verdict prove_order(program_view const& v, timeline const& t, int const* sent, int const* taken, int count) {
  op const* const ops = v.ops.data();
  int const segments = v.size.segments, n = v.size.microbatches * segments;
  auto const message = [&](int i) { return ops[i].microbatch * segments + ops[i].segment; };
  int first = 0;
  // A synchronous channel is empty when a period starts; of an asynchronous one the first message taken says where it
  // stands.
  while (v.asynchronous && floor_mod(message(sent[first]) - message(taken[0]), n) != 0) ++first;
  int const shift = v.asynchronous ? message(taken[0]) - message(sent[first]) : 0;
  for (int i = 0; i < count; ++i) {
    int const k = first + i < count ? first + i : first + i - count;
    if (message(taken[i]) != message(sent[k]) + shift + (k < first ? n : 0))
      return wrong(v, t, flaw::fifo, taken[i], sent[k]);
  }
  return {};
}

/// Every channel of every unit: what one kind of its ops takes from another unit.
constexpr verdict prove_channels(program_view const& v, timeline const& t) {
  int const row = t.rule.numbering().row(), all = units(v.size);
  int const* const orders[] = {t.forward_order.data(), t.backward_order.data(), t.recompute_order.data()};
  auto const order_of = [&](op_kind kind) { return orders[kind == op_kind::F ? 0 : kind == op_kind::R ? 2 : 1]; };
  for (int u = 0; u < all; ++u) {
    int count = row;
    if (v.size.replicas > 1)
      for (count = 0; count < row && orders[0][u * row + count] >= 0;) ++count;
    for (int k = 0; k < 3; ++k) {
      if (k == 2 && t.recompute_order.empty()) continue;
      int const* const taken = orders[k] + u * row;
      if (taken[0] < 0) continue;
      verdict bad;
      t.rule.for_each_crossing_input(v.ops[static_cast<std::size_t>(taken[0])], [&](input const& in) {
        if (bad) bad = prove_order(v, t, order_of(in.kind) + unit_of(v.size, in.stage, in.replica) * row, taken, count);
      });
      if (!bad) return bad;
    }
  }
  return {};
}

constexpr verdict prove(program_view const& v, timeline& t) {
  if (verdict const bad = index(v, t); !bad) return bad;
  if (t.clock_result.slot.empty()) {
    if (verdict const bad = prove_lists(v, t); !bad) return bad;
  }
  if (verdict const bad = prove_inputs(v, t); !bad) return bad;
  bool several = false;
  for (int u = 0; u < units(v.size); ++u) {
    if (v.wanted(stage_of(v.size, u)) != gradients::both) continue;
    if (verdict const bad = prove_updates(v, t, u); !bad) return bad;
    several = several || t.rule.closing_cells() > units(v.size);
  }
  if (several) {
    if (verdict const bad = prove_readers(v, t); !bad) return bad;
  }
  if (v.size.replicas > 1) {
    if (verdict const bad = prove_replicas(v, t); !bad) return bad;
  }
  if (verdict const bad = prove_channels(v, t); !bad) return bad;
  if (verdict const bad = v.offloads.empty() ? verdict{} : prove_offloads(v, t); !bad) return bad;
  return v.evictions.empty() ? verdict{} : prove_evictions(v, t);
}

}  // namespace detail

/// Works on one period, O(S * N), asynchronous or not. Shows, for runs of any length:
///
/// - Every (stage, microbatch, segment) has one F and one BW (or one B and one W) and, in a recomputed stage, one R, all of
/// a
///   microbatch in one replica; a unit lives on one rank. Stages without a backward (all of them, for inference) have F
///   alone, frozen ones F and B.
/// - A rank's list follows (slot, lane) and its slots lie in one period, so that repetitions do not overlap on a rank.
/// - Every op runs after its inputs, as `dependencies` gives them: between ranks in a later slot, so that no folding of
/// ranks
///   onto workers in (slot, rank, lane) order can block; on one rank a later lane will do.
/// - Every W or BW is consumed by exactly one U of its unit, in order: it runs before the U that names its microbatch or the
///   next later one, and after the U before that. The last U of a period names the minibatch's last microbatch. U runs after
///   F and R of its unit in its slot. Among replicas, all units of a stage update at the same microbatches, after a G that
///   comes after the last W of every one of them.
/// - Over a wire, F, B and R each, messages are received in the order in which they are sent.
/// - A synchronous program has no op of another minibatch in its period, so F of the next one is after U.
/// - What is evicted is of a stage that may, each microbatch once and to one other rank; no rank then holds more than the
///   program says.
/// - What is offloaded is of a stage that may; no slot is written while what it had is read, nor read before it is written.
/// - With the global norm, all stages update once, after the last gradient of every stage.
constexpr verdict prove(program_view v) {
  timeline t;
  return detail::prove(v, t);
}

}  // namespace foal::schedule
