// The proof that a program runs: each op once, dependencies met, no deadlock, updates in place, channels in FIFO order.
#pragma once

#include <foal/schedule/proof/timeline.hpp>

namespace foal::schedule {

namespace detail {

constexpr verdict prove(program_view const& v, timeline& t) {
  if (verdict const bad = index(v, t); !bad) return bad;
  int const n = v.size.microbatches, stages = v.size.stages;
  op const* const ops = v.ops.data();
  int const* const slot = t.slot.data();
  int const* const rank = t.rank.data();
  int const* const forward = t.forward.data();
  int const* const backward = t.backward.data();
  int const* const weight = t.weight.data();
  int const* const recompute = t.recompute.data();

  if (t.clock_result.slot.empty()) {
    for (int r = 0; r < v.size.ranks; ++r) {
      op const* last = nullptr;
      for (op const& o : v.rank(r)) {
        if (o.slot >= t.period)
          return {.what = flaw::slot, .first = o, .first_rank = r, .found = o.slot, .expected = t.period};
        if (last != nullptr && !(last->slot < o.slot || (last->slot == o.slot && last->lane < o.lane)))
          return {.what = flaw::order, .first = *last, .second = o, .first_rank = r, .second_rank = r};
        last = &o;
      }
    }
  }

  auto const wrong = [&](flaw what, int first, int second, int first_stage_, int second_stage) {
    return verdict{.what = what,
                   .first = ops[first],
                   .second = ops[second],
                   .first_rank = rank[first_stage_],
                   .second_rank = rank[second_stage],
                   .found = slot[first],
                   .expected = slot[second]};
  };
  for (int s = 0; s < stages; ++s) {
    bool const same_below = s > 0 && rank[s] == rank[s - 1];
    bool const same_above = s + 1 < stages && rank[s] == rank[s + 1];
    bool const has_backward = v.wanted(s) != gradients::none;
    for (int c = s * n; c < s * n + n; ++c) {
      int const f = forward[c], b = backward[c];
      if (s > 0 && !t.before(v, forward[c - n], f, same_below)) return wrong(flaw::dependency, f, forward[c - n], s, s - 1);
      if (!has_backward) continue;
      if (!t.before(v, f, b, true)) return wrong(flaw::dependency, b, f, s, s);
      if (s + 1 < stages && !t.before(v, backward[c + n], b, same_above))
        return wrong(flaw::dependency, b, backward[c + n], s, s + 1);
      if (weight[c] != b && weight[c] >= 0 && !t.before(v, b, weight[c], true))
        return wrong(flaw::dependency, weight[c], b, s, s);
    }
    if (t.head.empty() || t.head[static_cast<std::size_t>(s)] < 0) continue;
    bool const continues = continues_segment(t.head, s);
    for (int c = s * n; c < s * n + n; ++c) {
      int const f = forward[c], b = backward[c], re = recompute[c];
      if (!t.before(v, f, re, true)) return wrong(flaw::dependency, re, f, s, s);
      if (continues && !t.before(v, recompute[c - n], re, same_below))
        return wrong(flaw::dependency, re, recompute[c - n], s, s - 1);
      if (!t.before(v, re, b, true)) return wrong(flaw::dependency, b, re, s, s);
    }
  }

  for (int s = 0; s < stages; ++s) {
    if (v.wanted(s) != gradients::both) continue;
    int const u = t.update[static_cast<std::size_t>(s)];
    // Side by side with an op that reads the weights, U comes after it.
    auto const overtakes = [&](int reader) {
      bool const beside = (slot[reader] - slot[u]) % t.period == 0;
      return beside && ops[reader].lane >= ops[u].lane && reader > u;
    };
    if (u < 0)
      return {.what = flaw::missing,
              .first = {.kind = op_kind::U, .stage = s, .microbatch = n - 1},
              .second = ops[weight[s * n + n - 1]],
              .first_rank = rank[s],
              .second_rank = rank[s]};
    for (int c = s * n; c < s * n + n; ++c) {
      int const w = weight[c], f = forward[c];
      if (!t.before(v, w, u, true) || !t.before(v, u, w, true, t.period)) return wrong(flaw::update, u, w, s, s);
      if (overtakes(f)) return wrong(flaw::update, u, f, s, s);
      if (recompute[c] >= 0 && overtakes(recompute[c])) return wrong(flaw::update, u, recompute[c], s, s);
    }
  }

  // What stage `from` sends must come out in the order in which stage `to` takes it, from one period into the next.
  auto const in_order = [&](std::vector<int> const& order, int from, int to) -> verdict {
    int const* const sent = order.data() + t.at(from, 0);
    int const* const taken = order.data() + t.at(to, 0);
    int first = 0;
    // A synchronous channel is empty when a period starts; of an asynchronous one the first message taken says where it
    // stands.
    while (v.asynchronous && floor_mod(ops[sent[first]].microbatch - ops[taken[0]].microbatch, n) != 0) ++first;
    int const shift = v.asynchronous ? ops[taken[0]].microbatch - ops[sent[first]].microbatch : 0;
    for (int i = 0; i < n; ++i) {
      int const k = first + i < n ? first + i : first + i - n;
      int const expected = ops[sent[k]].microbatch + shift + (k < first ? n : 0);
      if (ops[taken[i]].microbatch != expected) return wrong(flaw::fifo, taken[i], sent[k], to, from);
    }
    return {};
  };
  for (int s = 0; s + 1 < stages; ++s) {
    if (verdict const bad = in_order(t.forward_order, s, s + 1); !bad) return bad;
    if (continues_segment(t.head, s + 1)) {
      if (verdict const bad = in_order(t.recompute_order, s, s + 1); !bad) return bad;
    }
    if (v.wanted(s) == gradients::none) continue;
    if (verdict const bad = in_order(t.backward_order, s + 1, s); !bad) return bad;
  }
  return {};
}

}  // namespace detail

/// Works on one period, O(S * N), asynchronous or not. Shows, for runs of any length:
/// every (stage, microbatch) has one F and one BW (or one B and one W) and, in a recomputed stage, one R; a stage lives on
/// one rank and has one U per period; stages without a backward (all of them, for inference) have F alone, frozen ones F and
/// B; a rank's list follows (slot, lane) and its slots lie in one period, so that repetitions do not overlap on a rank;
/// F(s,m) runs after F(s-1,m); B(s,m) after B(s+1,m) and F(s,m); W after B; R between F and B, and in a segment R(s,m) after
/// R(s-1,m). Between ranks "after" is a later slot, so that no folding of ranks onto workers in (slot, rank, lane) order can
/// block; on one rank a later lane will do; U runs after the minibatch's last W or BW and before the next one's first, and
/// after F and R of its stage in its slot; between neighbouring stages, F, R and B each, messages are received in the order
/// in which they are sent. A synchronous program has no op of another minibatch in its period, so F of the next one is after
/// U.
constexpr verdict prove(program_view v) {
  timeline t;
  return detail::prove(v, t);
}

}  // namespace foal::schedule
