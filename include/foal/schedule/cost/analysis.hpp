// What a program implies, stage by stage: delays, weight versions, and the rings that hold its activations and gradients.
#pragma once

#include <foal/schedule/proof/versions.hpp>

namespace foal::schedule {

/// Rings are counts of the unit's passes (microbatches, times segments): indexed by its own count of them mod ring and
/// released in order, they never overwrite what is still needed. An interval from the producing op to the releasing op
/// includes both their slots, so a producer that waits for a release waits for an earlier slot, and no folding of ranks onto
/// workers can deadlock on it.
struct stage_facts {
  int delay = 0;             ///< d, microbatches: sum over a minibatch of v_U - v_F; 0 for flush
  double tau_fwd = 0;        ///< mean of v_U - v_F, minibatches (= d/N)
  double tau_bkwd = 0;       ///< mean of v_U - v_B
  int version_gap = 0;       ///< at B, max of the newest version there - the oldest one that the microbatch has read
  int saved_peak = 0;        ///< F to W (or BW)
  int saved_held = 0;        ///< the same after a slot's backward: the paper's count
  int saved_peak_b = 0;      ///< F to B
  int wire_transit = 0;      ///< forward wire into the stage, from F(s-1) (stage 0: its own F) to F
  int wire_kept = 0;         ///< ... to W (or BW)
  int wire_kept_b = 0;       ///< ... to B
  int gradient_transit = 0;  ///< gradient into the stage, from B(s+1) (last stage: its own F, where the loss is) to B
  int gradient_kept = 0;     ///< ... to W (or BW)
  int share = 1;             ///< passes through the unit in a minibatch: N with one replica and one segment
  int last_forward = 0;      ///< position in a minibatch of the microbatch of the unit whose F runs last
  int last_backward = 0;     ///< ... whose B or BW runs last
  /// Some B runs before U of the minibatch before, or before the last B of it: what B's add up is then of two minibatches.
  bool backward_crosses = false;

  // A recomputed stage saves from R instead of from F: saved_* above count from there. Its forward wire is needed again only
  // at the head of its recompute group; the others read what R of the stage below made, and wire_kept* is wire_transit
  // there.
  int in_flight = 1;          ///< microbatches between F and W (or BW, or a frozen stage's B) at most; at least 1
  int head = -1;              ///< the first stage of its recompute group; -1: not recomputed
  int recompute_delay = 0;    ///< microbatches: sum over a minibatch of v_U - v_R
  double tau_recomp = 0;      ///< mean of v_U - v_R, minibatches
  int recompute_gap = 0;      ///< max of v_R - v_F: how far R's weights are from F's
  int wire_recompute = 0;     ///< head: forward wire into the stage, from F(s-1) (stage 0: its own F) to R
  int input_held = 0;         ///< head: from its own F to W (or BW), after a slot's backward: the paper's count of its input
  int recompute_transit = 0;  ///< others: what R(s-1) made, from R(s-1) to R
  int recompute_kept = 0;     ///< ... to W (or BW)
  int recompute_kept_b = 0;   ///< ... to B

  constexpr bool operator==(stage_facts const&) const = default;
};

struct analysis {
  std::vector<stage_facts> stage;  ///< of every unit: with one replica, of every stage
  int period = 0;                  ///< slots from one minibatch to the next
  int last_slot = 0;               ///< slot of the last op that minibatch 0 needs
  int periods_after = 0;           ///< periods to run after that of the last minibatch, so that everything drains
  /// What all stages hold after a slot's backward, in units of one stage's activation of one microbatch: S^2 for pipemare,
  /// as the paper counts; with recomputation the heads' inputs (from F to B) and what R rebuilt (from R to B), about 2
  /// S^1.5.
  constexpr int held() const {
    int all = 0;
    for (stage_facts const& x : stage) all += x.saved_held + x.input_held;
    return all;
  }
  constexpr int slots(int minibatches) const { return last_slot + 1 + period * (minibatches - 1); }
};

namespace detail {

/// The smallest ring for the n microbatches of a period acquired by ops acquire[j] and released, in order, by release[j].
/// `closed`: an op that releases in the slot of an acquisition releases after it.
constexpr int ring(timeline const& t, int n, int const* acquire, int const* release, bool closed, int* in_order) {
  int const* const slot = t.slot.data();
  // When all microbatches up to j have been released, over the periods before as well.
  int last = slot[release[0]];
  for (int j = 1; j < n; ++j) last = slot[release[j]] > last ? slot[release[j]] : last;
  int running = last - t.period;
  for (int j = 0; j < n; ++j) {
    running = slot[release[j]] > running ? slot[release[j]] : running;
    in_order[j] = running;
  }
  int largest = 0, oldest = 0, offset = 0;  // oldest + n * (offset / period): the oldest microbatch not released
  int periods = 0;
  for (int j = 0; j < n; ++j) {
    int const when = slot[acquire[j]] + (closed ? 0 : 1);
    while (in_order[oldest] + offset >= when) {
      if (--oldest < 0) oldest = n - 1, offset -= t.period, --periods;
    }
    while (in_order[oldest] + offset < when) {
      if (++oldest == n) oldest = 0, offset += t.period, ++periods;
    }
    int const size = j - (oldest + n * periods) + 1;
    largest = size > largest ? size : largest;
  }
  return largest;
}

/// The ops of a unit, by its own count of a minibatch's microbatches (and their segments): replicas share them out. Where an
/// op takes what comes from elsewhere, the op that made it.
struct unit_rows {
  int count = 0;
  int_table position, forward, backward, weight, recompute;
  int_table wire, gradient,
      rebuilt;  // F's activation, B's gradient, R's input; F (the data, the loss), -1 where from nowhere

  constexpr explicit unit_rows(std::size_t most) {
    for (auto* table : {&position, &forward, &backward, &weight, &recompute, &wire, &gradient, &rebuilt})
      table->assign(most, -1);
  }

  constexpr void take(program_view const& v, timeline const& t, int unit) {
    int const row = t.rule.numbering().row(), replica = replica_of(v.size, unit);
    op const* const ops = v.ops.data();
    int input_of = -1;
    auto const producer = [&](input const& in) { input_of = t.find(in); };
    count = 0;
    for (int j = 0, c = stage_of(v.size, unit) * row; j < row; ++j, ++c) {
      int const f = t.forward.data()[c], b = t.backward.data()[c], r = t.recompute.data()[c], i = count;
      if (ops[f].replica != replica) continue;
      ++count;
      position.data()[i] = j / v.size.segments;
      forward.data()[i] = f, backward.data()[i] = b, weight.data()[i] = t.weight.data()[c], recompute.data()[i] = r;
      input_of = f;
      t.rule.for_each_crossing_input(ops[f], producer);
      wire.data()[i] = input_of;
      input_of = f;
      if (b >= 0) t.rule.for_each_crossing_input(ops[b], producer);
      gradient.data()[i] = input_of;
      input_of = -1;
      if (r >= 0) t.rule.for_each_crossing_input(ops[r], producer);
      rebuilt.data()[i] = input_of;
    }
  }
};

/// Which of `count` ops of a unit runs last in its minibatch.
constexpr int last_of(program_view const& v, timeline const& t, int const* ops, int count) {
  int last = 0;
  for (int j = 1; j < count; ++j)
    if (t.before(v, ops[last], ops[j], true)) last = j;
  return last;
}

/// stage_facts::backward_crosses of a unit from its B's, the last of them and its last U (-1: none).
constexpr bool crosses(program_view const& v, timeline const& t, int const* b, int count, int last, int update) {
  for (int j = 0; j < count; ++j) {
    if (b[j] != last && !t.before(v, last, b[j], true, t.period)) return true;
    if (update >= 0 && !t.before(v, update, b[j], true, t.period)) return true;
  }
  return false;
}

}  // namespace detail

/// Fills in what follows from the versions that ops read: delays, lags and gaps. Stages without an update keep their zeros.
constexpr void take_versions(analysis& a, version_table const& there, version_reads const& reads) {
  int const n = there.microbatches;
  for (int s = 0; s < there.stages(); ++s) {
    auto const i = static_cast<std::size_t>(s);
    if (there.updates[i] == 0) continue;
    stage_facts& x = a.stage[i];
    int forward = 0, backward = 0, recompute = 0;  // sums of v_U - v
    x.version_gap = x.recompute_gap = 0;
    for (int j = 0; j < n; ++j) {
      version_read const &newest = there.at(s, j), &read = reads.at(s, j);
      forward += there.consumer(s, j) - read.forward;
      backward += there.consumer(s, j) - read.backward;
      int const oldest = read.backward < read.forward ? read.backward : read.forward;
      if (newest.backward - oldest > x.version_gap) x.version_gap = newest.backward - oldest;
      if (there.recomputes[i] == 0) continue;
      recompute += there.consumer(s, j) - read.recompute;
      if (newest.backward - read.recompute > x.version_gap) x.version_gap = newest.backward - read.recompute;
      if (read.recompute - read.forward > x.recompute_gap) x.recompute_gap = read.recompute - read.forward;
    }
    x.delay = forward;
    x.recompute_delay = recompute;
    x.tau_fwd = static_cast<double>(forward) / n;
    x.tau_bkwd = static_cast<double>(backward) / n;
    x.tau_recomp = static_cast<double>(recompute) / n;
    // Of replicas the mean over all of them: it is their sum that the stage's weights take.
    for (std::size_t u = i + there.updates.size(); u < a.stage.size(); u += there.updates.size()) {
      stage_facts& other = a.stage[u];
      other.delay = x.delay, other.recompute_delay = x.recompute_delay;
      other.version_gap = x.version_gap, other.recompute_gap = x.recompute_gap;
      other.tau_fwd = x.tau_fwd, other.tau_bkwd = x.tau_bkwd, other.tau_recomp = x.tau_recomp;
    }
  }
}

/// Needs a program that prove() accepts; throws its sentence otherwise. thick: what W needs of any microbatch is kept until
/// the last W of its minibatch, which takes all of them at once. Versions are those of the program by itself; `newest`,
/// where given, becomes its table, for a rule to choose others.
constexpr analysis analyse(program_view v, bool thick = false, version_table* newest = nullptr) {
  timeline t;
  if (verdict const bad = detail::prove(v, t); !bad) throw error(text(bad));
  int const n = v.size.microbatches;
  auto const row = static_cast<std::size_t>(t.rule.numbering().row());
  int_table scratch(row, 0), together(row, 0);
  detail::unit_rows rows(row);
  analysis a;
  a.period = t.period;
  for (std::size_t i = 0; i < v.ops.size(); ++i) {
    int const m = v.ops.data()[i].microbatch;
    if (t.slot[i] > a.last_slot) a.last_slot = t.slot[i];
    if (m < 0 && -floor_div(m, n) > a.periods_after) a.periods_after = -floor_div(m, n);
  }
  a.stage.assign(static_cast<std::size_t>(units(v.size)), {});
  for (int u = 0; u < units(v.size); ++u) {
    stage_facts& x = a.stage[static_cast<std::size_t>(u)];
    gradients const wanted = v.wanted(stage_of(v.size, u));
    rows.take(v, t, u);
    int const count = rows.count;
    int const* const f = rows.forward.data();
    int const* const b = rows.backward.data();
    int const* w = wanted == gradients::both ? rows.weight.data() : b;
    if (thick && wanted == gradients::both) {
      int last = w[0];
      for (int j = 1; j < count; ++j)
        last = t.slot[static_cast<std::size_t>(w[j])] > t.slot[static_cast<std::size_t>(last)] ? w[j] : last;
      together.assign(row, last);
      w = together.data();
    }
    int const* const wire = rows.wire.data();
    int const* const gradient = rows.gradient.data();
    auto const ring = [&](int const* from, int const* to, bool closed = true) {
      return detail::ring(t, count, from, to, closed, scratch.data());
    };
    x.share = count;
    x.last_forward = rows.position.data()[detail::last_of(v, t, f, count)];
    x.wire_transit = ring(wire, f);
    x.wire_kept = x.wire_kept_b = x.wire_transit;
    if (wanted == gradients::none) continue;
    int const last_b = detail::last_of(v, t, b, count);
    x.last_backward = rows.position.data()[last_b];
    int const* const re = rows.recompute.data();
    int const* const rebuilt = rows.rebuilt.data();
    bool const recomputed = t.rule.recomputed(stage_of(v.size, u)), continues = recomputed && rebuilt[0] >= 0;
    int const* const saves = recomputed ? re : f;
    x.saved_peak = ring(saves, w);
    x.in_flight = recomputed ? ring(f, w) : x.saved_peak;
    x.saved_held = ring(saves, w, false);
    if (!continues) x.wire_kept = ring(wire, w);
    x.gradient_transit = ring(gradient, b);
    x.saved_peak_b = x.saved_peak;
    x.wire_kept_b = x.wire_kept;
    x.gradient_kept = x.gradient_transit;
    if (recomputed) {
      x.head = t.head[static_cast<std::size_t>(stage_of(v.size, u))];
      if (continues) {
        x.recompute_transit = ring(rebuilt, re);
        x.recompute_kept = ring(rebuilt, w);
        x.recompute_kept_b = x.recompute_kept;
      } else {
        x.wire_recompute = ring(wire, re);
        x.input_held = ring(f, w, false);
      }
    }
    bool fused = true;
    for (int j = 0; j < count && fused; ++j) fused = b[j] == w[j];
    if (!fused || wanted != gradients::both)
      x.backward_crosses =
          detail::crosses(v, t, b, count, b[last_b], t.update[static_cast<std::size_t>(t.rule.closing_cell(u, n - 1))]);
    if (fused) continue;  // what W needs is what B needs; saves a compiler the work
    x.saved_peak_b = ring(saves, b);
    if (!continues) x.wire_kept_b = ring(wire, b);
    if (continues) x.recompute_kept_b = ring(rebuilt, b);
    x.gradient_kept = ring(gradient, w);
  }
  version_table const there = detail::versions_of(v, t);
  take_versions(a, there, reads_of(own_versions{}, there));
  if (newest != nullptr) *newest = there;
  return a;
}

}  // namespace foal::schedule
