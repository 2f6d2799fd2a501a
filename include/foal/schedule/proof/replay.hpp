// What a schedule costs: runs a program with given durations of its ops and says when each ran, and what each gap waited
// for.
#pragma once

#include <algorithm>
#include <limits>

#include <foal/schedule/proof/prove.hpp>
#include <foal/schedule/unroll.hpp>

namespace foal::schedule {

/// What the ops of a stage take where stages differ in more than a factor.
struct stage_times {
  double forward = 1, backward = 1, weight = 1;
  double together = 2;         ///< BW
  double recompute = 1;        ///< R
  double sum = 0, update = 0;  ///< G, U
  double message = 0;          ///< of its output, and of the gradient that comes back for it
};

/// Durations in any unit of time. BW takes backward + weight, R as long as F.
struct costs {
  double forward = 1, backward = 1, weight = 1, update = 0;
  double message = 0;                      ///< from the end of an op to the start of its successor on another rank
  double sum = 0;                          ///< G
  std::span<double const> stage_factor{};  ///< empty, or per stage what its F, B, W and U durations are multiplied by
  /// True: a rank has a forward and a backward unit side by side if the program puts F and a backward of a rank into one
  /// slot (pipemare), and a third one for R if it recomputes. False: a rank runs one op at a time, in the order of its list.
  bool side_by_side = true;
  /// Empty, or per op of the program (as in program_view::ops) whether it overlaps with the next one of its list: both begin
  /// when the inputs of both are there, take the time of both together, and send what they have made at the end of it. Not
  /// where units are side by side.
  std::span<char const> overlaps{};
  /// Empty, or per stage what its ops and messages take, in place of all durations and factors above.
  std::span<stage_times const> stages{};

  /// Throws foal::error where a duration is below 0, infinite or no number, or where stages have no factor.
  constexpr void check(int count) const {
    auto const is = [](double v) { return v >= 0 && v <= std::numeric_limits<double>::max(); };
    for (double const v : {forward, backward, weight, update, message, sum}) {
      if (!is(v))
        throw error(sentence("cannot replay with a cost of ", v, ", because ops and messages take time; give 0 or more"));
    }
    if (!stage_factor.empty() && stage_factor.size() != static_cast<std::size_t>(count))
      throw error(sentence("cannot replay with ", stage_factor.size(), " factors, because there are ", count,
                           " stages; give one per stage, or none"));
    for (double const v : stage_factor) {
      if (!is(v))
        throw error(sentence("cannot replay with a factor of ", v, ", because a stage takes time; give 0 or more"));
    }
    if (!stages.empty() && stages.size() != static_cast<std::size_t>(count))
      throw error(sentence("cannot replay with the times of ", stages.size(), " stages, because there are ", count,
                           "; give those of all, or none"));
    for (stage_times const& s : stages)
      for (double const v : {s.forward, s.backward, s.weight, s.together, s.recompute, s.sum, s.update, s.message})
        if (!is(v))
          throw error(sentence("cannot replay with a cost of ", v, ", because ops and messages take time; give 0 or more"));
  }

  constexpr double of(op const& o) const {
    if (!stages.empty()) {
      stage_times const& s = stages[static_cast<std::size_t>(o.stage)];
      double const of_kind[] = {s.forward, s.backward, s.weight, s.together, s.recompute, s.update, s.sum, 0};
      return of_kind[static_cast<int>(o.kind)];
    }
    double t = update;
    if (o.kind == op_kind::F || o.kind == op_kind::R) t = forward;
    if (o.kind == op_kind::B) t = backward;
    if (o.kind == op_kind::W) t = weight;
    if (o.kind == op_kind::BW) t = backward + weight;
    if (o.kind == op_kind::G) t = sum;
    return stage_factor.empty() ? t : t * stage_factor[static_cast<std::size_t>(o.stage)];
  }

  /// From the end of an op on another rank to the start of `o`, which waits for it. With times of stages, what is neither
  /// activation nor gradient has its time in the op that takes it.
  constexpr double message_of(input const& in, op const& o) const {
    if (stages.empty()) return message;
    if (in.via == edge::gradient) return stages[static_cast<std::size_t>(o.stage)].message;
    bool const up = in.via == edge::activation || in.via == edge::rebuilt;
    return up ? stages[static_cast<std::size_t>(in.stage)].message : 0;
  }
};

/// One op of a run; its microbatch counts from the first of the run.
struct event {
  op what{};
  int rank = 0, unit = 0;  ///< unit 1: the backward unit of a rank that has two, 2: its unit for R
  double start = 0, end = 0;
  int waited_rank = -1;  ///< -1: started when its unit was free; else the rank of `waited_for`, which ended last
  op waited_for{};
};

/// A stretch in which a unit had nothing to run, and why.
struct gap {
  int rank = 0, unit = 0;
  double start = 0, length = 0;
  op before{};  ///< the op that could not start earlier; with waits_rank -1: nothing was left to run
  op waits_for{};
  int waits_rank = -1;
};

struct rank_time {
  double busy = 0;             ///< some unit of the rank ran an op
  double idle = 0;             ///< makespan - busy
  double first = 0, last = 0;  ///< start of its first op, end of its last one
};

struct timing {
  double makespan = 0;
  double span_bubble = 0;  ///< max over ranks of last - first - busy: what zero-bubble papers quote
  double utilisation = 0;  ///< busy share of ranks * makespan
  int units = 1;           ///< per rank
  std::vector<rank_time> rank;
  std::vector<std::vector<event>> events;  ///< per rank, in list order
  std::vector<gap> gaps;                   ///< by rank, unit, time
};

namespace detail {

constexpr void gaps_of(std::vector<event> const& events, int rank, int unit, double makespan, std::vector<gap>& out) {
  double at = 0;
  for (event const& e : events) {
    if (e.unit != unit) continue;
    if (e.start > at)
      out.push_back({.rank = rank,
                     .unit = unit,
                     .start = at,
                     .length = e.start - at,
                     .before = e.what,
                     .waits_for = e.waited_for,
                     .waits_rank = e.waited_rank});
    at = std::max(at, e.end);
  }
  if (makespan > at) out.push_back({.rank = rank, .unit = unit, .start = at, .length = makespan - at});
}

/// Length of the union of up to three lists of intervals, each ordered by time.
constexpr double busy_time(std::vector<event> const& events) {
  double busy = 0, until = 0;
  std::size_t next[3] = {0, 0, 0};
  while (true) {
    event const* first = nullptr;
    for (int unit = 0; unit < 3; ++unit) {
      std::size_t& i = next[unit];
      while (i < events.size() && events[i].unit != unit) ++i;
      if (i < events.size() && (first == nullptr || events[i].start < first->start)) first = &events[i];
    }
    if (first == nullptr) return busy;
    ++next[first->unit];
    if (first->end <= until) continue;
    busy += first->end - std::max(first->start, until);
    until = first->end;
  }
}

}  // namespace detail

/// replay() of a program that prove() has accepted before: for many costs of one program.
constexpr timing replay_proved(program_view v, costs const& cost = {}, int minibatches = 1) {
  int const n = v.size.microbatches, stages = v.size.stages, ranks = v.size.ranks;
  cost.check(stages);
  if (!cost.overlaps.empty() && cost.overlaps.size() != v.ops.size())
    throw error(sentence("cannot replay with overlaps for ", cost.overlaps.size(), " ops, because the program has ",
                         v.ops.size(), "; say of each, or of none"));
  if (minibatches < 0 || static_cast<long long>(minibatches) * n > largest_slot / (units(v.size) * v.size.segments))
    throw error(sentence("cannot replay ", minibatches, " minibatches of ", n, " microbatches through ", stages,
                         " stages, because that is below 0 or beyond what is counted; replay fewer"));
  int const total = n * minibatches;
  constexpr double never = -1;
  timing out;
  out.units = cost.side_by_side && two_units(v) ? (recomputes(v) ? 3 : 2) : 1;
  dependencies const rule(v);
  out.events.assign(static_cast<std::size_t>(ranks), {});
  extent whole = v.size;
  whole.microbatches = total;
  cells const run(whole);  // by the microbatch of the run
  auto const all = static_cast<std::size_t>(units(v.size)), cell_count = static_cast<std::size_t>(stages * run.row());
  std::vector<double> end_f(cell_count, never), end_b(cell_count, never), end_w(cell_count, never),
      end_r(rule.heads().empty() ? 0 : cell_count, never),
      end_g(v.size.replicas > 1 ? all * static_cast<std::size_t>(run.row()) : 0, never);
  std::vector<double>* const ends[] = {&end_f, &end_b, &end_w, &end_b, &end_r, nullptr, &end_g};
  auto const end_of = [&](auto const& o) -> double& {
    bool const sum = o.kind == op_kind::G;
    int const at =
        sum ? run.at(unit_of(v.size, o.stage, o.replica), o.microbatch) : run.at(o.stage, o.microbatch, o.segment);
    return (*ends[static_cast<int>(o.kind)])[static_cast<std::size_t>(at)];
  };
  std::vector<double> last_read(all, 0), last_u(all, 0), free_at(static_cast<std::size_t>(ranks) * 3, 0);
  std::vector<int> const host = ranks_of(v);
  struct cursor {
    int period = 0;
    std::size_t at = 0;
  };
  flat_table<cursor> next(static_cast<std::size_t>(ranks));
  int const periods = minibatches + periods_late(v);
  // Beside each other run units of a rank, not an update and what reads its weights: those keep the list's order.
  auto const reads = [](op const& o) { return o.kind == op_kind::F || o.kind == op_kind::R; };
  // False: some input is not there yet.
  auto const waits = [&](op const& o, event& e) {
    auto const u = static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica));
    bool ready = true;
    auto const starts_after = [&](double there, int from, op const& of) {
      if (there <= e.start) return;
      e.start = there;
      e.waited_rank = from;
      e.waited_for = of;
    };
    rule.for_each_input(o, [&](input const& in) {
      double const end = end_of(in);
      ready = ready && end >= 0;
      if (!ready) return;
      int const from = host[static_cast<std::size_t>(unit_of(v.size, in.stage, in.replica))];
      starts_after(from == e.rank ? end : end + cost.message_of(in, o), from, op_of(in));
    });
    if (reads(o)) starts_after(last_u[u], e.rank, {.kind = op_kind::U, .stage = o.stage, .microbatch = o.microbatch});
    if (o.kind == op_kind::U)
      starts_after(last_read[u], e.rank, {.kind = op_kind::F, .stage = o.stage, .microbatch = o.microbatch});
    return ready;
  };
  auto const ends_at = [&](op const& o, double end) {
    auto const u = static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica));
    if (reads(o)) last_read[u] = std::max(last_read[u], end);
    if (o.kind == op_kind::U)
      last_u[u] = end;
    else
      end_of(o) = end;
  };
  auto const overlap_at = [&](std::span<op const> list, int r, std::size_t at) {
    return !cost.overlaps.empty() && out.units == 1 && at + 1 < list.size() &&
           cost.overlaps[static_cast<std::size_t>(v.begin[static_cast<std::size_t>(r)]) + at] != 0;
  };
  auto const in_run = [&](int microbatch) { return microbatch >= 0 && microbatch < total; };
  // Runs what rank r can run; true if something ran.
  auto const advance = [&](int r) {
    auto const rank = static_cast<std::size_t>(r);
    std::span<op const> const list = v.rank(r);
    cursor& c = next[rank];
    bool moved = false;
    for (; c.period < periods; ++c.period, c.at = 0) {
      for (; list.size() > c.at; ++c.at) {
        op o = list[c.at];
        o.microbatch += c.period * n;
        if (!in_run(o.microbatch)) continue;
        int const unit = out.units == 1 || o.kind == op_kind::F ? 0 : o.kind == op_kind::R ? 2 : 1;
        double& unit_free = free_at[rank * 3 + static_cast<std::size_t>(unit)];
        event e{.what = o, .rank = r, .unit = unit, .start = unit_free};
        if (!waits(o, e)) return moved;
        e.end = e.start + cost.of(o);
        double together = e.end;
        event beside;
        bool const overlaps = overlap_at(list, r, c.at) && in_run(list[c.at + 1].microbatch + c.period * n);
        if (overlaps) {
          beside = e;
          beside.what = list[c.at + 1];
          beside.what.microbatch += c.period * n;
          if (!waits(beside.what, beside)) return moved;
          e.start = beside.start, e.waited_rank = beside.waited_rank, e.waited_for = beside.waited_for;
          beside.start = e.end = e.start + cost.of(o);
          beside.end = together = e.end + cost.of(beside.what);
          beside.waited_rank = -1;
        }
        unit_free = together;
        ends_at(o, together);
        out.events[rank].push_back(e);
        if (overlaps) {
          ends_at(beside.what, together);
          out.events[rank].push_back(beside);
          ++c.at;
        }
        out.makespan = std::max(out.makespan, together);
        moved = true;
      }
    }
    return moved;
  };
  // Up and down over the ranks, so that forwards and backwards both travel far in one sweep.
  for (bool moved = true; moved;) {
    moved = false;
    for (int r = 0; r < ranks; ++r) moved = advance(r) || moved;
    for (int r = ranks - 1; r >= 0; --r) moved = advance(r) || moved;
  }

  for (int r = 0; r < ranks; ++r) {
    cursor const& c = next[static_cast<std::size_t>(r)];
    if (c.period < periods && overlap_at(v.rank(r), r, c.at))
      throw error(sentence("cannot overlap ", text(v.rank(r)[c.at], r),
                           " with the next op of its list, because what one of them waits for comes behind the other; "
                           "overlap others"));
  }

  double busy = 0;
  for (int r = 0; r < ranks; ++r) {
    auto const& events = out.events[static_cast<std::size_t>(r)];
    rank_time time{.busy = detail::busy_time(events)};
    time.idle = out.makespan - time.busy;
    time.first = events.empty() ? 0 : events.front().start;
    for (event const& e : events) time.first = std::min(time.first, e.start), time.last = std::max(time.last, e.end);
    out.span_bubble = std::max(out.span_bubble, time.last - time.first - time.busy);
    busy += time.busy;
    out.rank.push_back(time);
    for (int unit = 0; unit < out.units; ++unit) detail::gaps_of(events, r, unit, out.makespan, out.gaps);
  }
  out.utilisation = out.makespan > 0 ? busy / (ranks * out.makespan) : 1;
  return out;
}

/// Runs `minibatches` minibatches, the drain included. Every op starts as soon as its unit is free and its inputs are there;
/// a unit keeps the order of the list. With units of their own, U waits for the F and R of its stage listed before it, and
/// they for U. Needs a program that prove() accepts; throws its sentence otherwise, and where a cost or the number of
/// minibatches cannot be.
constexpr timing replay(program_view v, costs const& cost = {}, int minibatches = 1) {
  if (verdict const bad = prove(v); !bad) throw error(text(bad));
  return replay_proved(v, cost, minibatches);
}

/// Busy share of the ranks in the long run: over some minibatches in the middle of a run, its fill and drain left out. For a
/// synchronous program that is N/(N+R-1) with equal stages, for an asynchronous one 1.
constexpr double steady_utilisation(program_view v, costs const& cost = {}) {
  if (verdict const bad = prove(v); !bad) throw error(text(bad));
  int const fill = 1 + periods_late(v);
  timing const a = replay_proved(v, cost, 2 * fill), b = replay_proved(v, cost, 2 * fill + 4);
  double busy = 0;
  for (std::size_t r = 0; r < a.rank.size(); ++r) busy += b.rank[r].busy - a.rank[r].busy;
  double const time = b.makespan - a.makespan;
  return time > 0 ? busy / (v.size.ranks * time) : 1;
}

}  // namespace foal::schedule
