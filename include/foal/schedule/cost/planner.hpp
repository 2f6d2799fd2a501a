// The planner: which schedule, microbatches, chunks, replicas, recomputation and grouping of a model's items take the least
// time within the memory of a machine.
#pragma once

#include <utility>

#include <foal/core/min_max_partition.hpp>
#include <foal/schedule/cost/plan_program.hpp>

namespace foal::schedule {

namespace detail {

/// A configuration that is tried.
struct plan_trial {
  plan_candidate const& candidate;
  plan_configuration of;
  plan_program& made;
  planned_bytes bytes;
  double samples;  ///< of an op
  plan_choice best{};
  double least_bytes = -1;
};

class planner {
 public:
  constexpr planner(plan_problem const& p, std::span<plan_candidate const> list) : p_(p), list_(list) {}

  constexpr plan_result run() {
    p_.check();
    for (int c = 0; c < static_cast<int>(list_.size()); ++c) {
      of_candidate_ = {};
      for (int d = 1; d <= (p_.replicas ? p_.ranks : 1); ++d)
        if (p_.ranks % d == 0) configurations(c, d);
      if (!of_candidate_) continue;
      auto place = out_.of_candidates.begin();
      while (place != out_.of_candidates.end() && !of_candidate_.better_than(*place)) ++place;
      out_.of_candidates.insert(place, of_candidate_);
    }
    if (p_.contenders == 1 && out_.best) out_.contenders.push_back(out_.best);
    while (!out_.contenders.empty() && out_.contenders.back().time > room()) out_.contenders.pop_back();
    return std::move(out_);
  }

 private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }
  constexpr int items() const { return static_cast<int>(p_.items.size()); }

  constexpr plan_refusal& refused(int c, refusal why) {
    for (plan_refusal& r : out_.refused)
      if (r.candidate == c && r.why == why) return ++r.count, r;
    out_.refused.push_back({.candidate = c, .name = list_[at(c)].name, .why = why, .count = 1, .says = {}});
    return out_.refused.back();
  }

  constexpr void configurations(int c, int replicas) {
    int const stages = p_.ranks / replicas * list_[at(c)].chunks;
    if (stages > items()) {
      plan_refusal& r = refused(c, refusal::too_few_items);
      r.stages = r.stages == 0 ? stages : std::min(r.stages, stages);
      return;
    }
    for (int n = replicas; n <= p_.minibatch; ++n)
      if (p_.minibatch % n == 0 && n % replicas == 0 && (p_.microbatches == 0 || p_.microbatches == n))
        for (bool const recomputed : {false, true})
          if (!recomputed || p_.recompute) attempt(c, replicas, n, recomputed);
  }

  constexpr void attempt(int c, int replicas, int n, bool recomputed) {
    try {
      configuration(c, replicas, n, recomputed);
    } catch (error const& e) {
      plan_refusal& r = refused(c, refusal::cannot);
      if (r.says.empty()) r.says.push_back(e.what());
    }
  }

  constexpr void configuration(int c, int replicas, int n, bool recomputed) {
    plan_candidate const& chosen = list_[at(c)];
    plan_configuration const of{
        .ranks = p_.ranks / replicas, .replicas = replicas, .microbatches = n, .recomputed = recomputed};
    double const samples = static_cast<double>(p_.minibatch) / n;
    plan_program made = program_of(chosen, of, mean_times_of(p_, of.ranks * chosen.chunks, samples));
    if (made.as_without) return;
    program_view const v = made.whole.view();
    plan_trial trial{
        .candidate = chosen, .of = of, .made = made, .bytes = planned_bytes(v), .samples = samples / v.size.segments};
    trial.best.name = chosen.name;
    trial.best.ranks = of.ranks, trial.best.chunks = chosen.chunks, trial.best.replicas = replicas;
    trial.best.copies = v.size.replicas, trial.best.segments = v.size.segments, trial.best.microbatches = n;
    trial.best.recomputed = recomputed, trial.best.asynchronous = v.asynchronous;
    trial.best.long_run = v.asynchronous || p_.long_run;
    ++out_.configurations;
    trial.best.all_groupings = group(trial, c);
    out_.all_groupings = out_.all_groupings && trial.best.all_groupings;
    if (!trial.best) {
      plan_refusal& r = refused(c, refusal::memory);
      if (r.bytes < 0 || trial.least_bytes < r.bytes) r.bytes = trial.least_bytes;
      return;
    }
    if (trial.best.better_than(of_candidate_)) of_candidate_ = trial.best;
    bool const same = out_.best && trial.best.as_good_as_same(out_.best);
    if (trial.best.better_than(out_.best)) {
      plan_choice before = std::exchange(out_.best, std::move(trial.best));
      if (!same) out_.runner_up = std::move(before);
    } else if (!same && trial.best.better_than(out_.runner_up)) {
      out_.runner_up = std::move(trial.best);
    }
  }

  /// Tries groupings; true if all of them.
  constexpr bool group(plan_trial& trial, int c) {
    int const stages = trial.of.ranks * trial.candidate.chunks, n = items();
    std::vector<double> time, bytes;
    for (plan_item const& x : p_.items) {
      time.push_back(x.forward + x.backward + x.weight);
      bytes.push_back(x.weights + x.state + x.saved * trial.samples);
    }
    std::vector<int> const even = min_max_partition(time, stages);
    std::pair<double, double> const by_time = measure(trial, c, even);
    std::vector<int> cut(at(stages - 1), 0);  // where stages 1.. begin
    if (grouping_count(n, stages, p_.groupings) <= p_.groupings) {
      for (int i = 0; i < stages - 1; ++i) cut[at(i)] = i + 1;
      while (true) {
        if (std::vector<int> const one = cut_at(cut); one != even) measure(trial, c, one);
        int i = stages - 2;
        while (i >= 0 && cut[at(i)] == n - (stages - 1 - i)) --i;
        if (i < 0) return true;
        for (++cut[at(i)]; i < stages - 2; ++i) cut[at(i + 1)] = cut[at(i)] + 1;
      }
    }
    if (p_.groupings == 1) return false;
    // From the two most even groupings on, ends of stages move by an item as long as it helps.
    for (std::vector<int> const& from : {even, min_max_partition(bytes, stages)}) {
      for (int i = 1; i < n; ++i)
        if (from[at(i)] != from[at(i - 1)]) cut[at(from[at(i)] - 1)] = i;
      std::pair<double, double> reached = from == even ? by_time : measure(trial, c, from);
      int left = p_.groupings;
      for (bool moved = true; moved && left > 0;) {
        moved = false;
        for (int i = 0; i < stages - 1; ++i)
          for (int const by : {-1, 1}) {
            int const to = cut[at(i)] + by, below = i == 0 ? 0 : cut[at(i - 1)], above = i + 2 < stages ? cut[at(i + 1)] : n;
            if (to <= below || to >= above || left-- <= 0) continue;
            cut[at(i)] = to;
            auto const now = measure(trial, c, cut_at(cut));
            if (now < reached)
              reached = now, moved = true;
            else
              cut[at(i)] = to - by;
          }
      }
    }
    return false;
  }

  constexpr std::vector<int> cut_at(std::vector<int> const& cut) const {
    std::vector<int> group(at(items()), 0);
    for (int const first : cut)
      for (int i = first; i < items(); ++i) ++group[at(i)];
    return group;
  }

  /// (bytes too many, time), to be made small; the time of what cannot be the best is a lower bound.
  constexpr std::pair<double, double> measure(plan_trial& trial, int c, std::vector<int> const& group) {
    ++out_.groupings;
    plan_choice& best = trial.best;
    program_view v = trial.made.whole.view();
    std::vector<stage_times> const times = times_of(p_, group, v.size.stages, trial.samples, v.size.replicas);
    std::vector<stage_times> sent = times;
    if (!p_.sends_beside) send_by_ops(p_, v, sent);
    costs cost{.side_by_side = false, .stages = sent};
    double bound = 0;  // the busiest rank's work, in whatever order
    std::vector<double> work;
    for (int r = 0; r < v.size.ranks; ++r) {
      work.push_back(0);
      for (op const& o : v.rank(r)) work.back() += cost.of(o);
      bound = std::max(bound, work.back());
    }
    bool const own = trial.candidate.by_times;
    bool const slower = best && bound > best.time * (1 + 1e-9) && (p_.contenders == 1 || bound > room());
    if (own && slower) return {0, bound};
    plan_program remade;
    if (own) remade = program_of(trial.candidate, trial.of, times), v = remade.whole.view();
    plan_program const& made = own ? remade : trial.made;
    cost.overlaps = made.overlaps;
    std::vector<stage_bytes> const sizes = bytes_of(p_, group, made.versions, trial.samples);
    std::vector<double> bytes;
    if (own)
      bytes = planned_bytes(v).by_rank(sizes);
    else
      bytes = trial.bytes.by_rank(sizes);
    double const most = *std::max_element(bytes.begin(), bytes.end());
    if (trial.least_bytes < 0 || most < trial.least_bytes) trial.least_bytes = most;
    if (most > p_.memory) return {most - p_.memory, bound};
    if (slower) return {0, bound};
    plan_choice now = best;
    now.candidate = c;
    now.group = group;
    now.bytes = std::move(bytes);
    now.idle.clear();
    if (now.long_run) {
      steady_state const s = steady_of(v, cost);
      now.time = s.minibatch;
      for (double const w : work) now.idle.push_back({.waiting = std::max(0.0, s.minibatch - w)});
      now.wait = longest(v, s.run, now.busiest(), s.from, s.from + s.minibatch);
    } else {
      timing const t = replay_proved(v, cost);
      now.time = t.makespan;
      now.idle = idle_of(t);
      now.wait = longest(v, t, now.busiest(), t.rank[at(now.busiest())].first, t.makespan);
    }
    double const time = now.time;
    if (p_.contenders > 1) contend(now);
    if (now.better_than(best)) best = std::move(now);
    return {0, time};
  }

  /// The time up to which a plan can still be a contender.
  constexpr double room() const {
    std::vector<plan_choice> const& all = out_.contenders;
    if (all.empty()) return std::numeric_limits<double>::max();
    double const most = all.front().time * (1 + p_.within + 1e-9);
    return std::ssize(all) < p_.contenders ? most : std::min(most, all.back().time);
  }
  constexpr void contend(plan_choice const& c) {
    std::vector<plan_choice>& all = out_.contenders;
    if (c.time > room()) return;
    auto const same = std::find_if(all.begin(), all.end(),
                                   [&](plan_choice const& other) { return c.same_as(other) || c.as_good_as_same(other); });
    if (same != all.end()) {
      if (!c.better_than(*same)) return;
      all.erase(same);
    }
    auto place = all.begin();
    while (place != all.end() && !c.better_than(*place)) ++place;
    all.insert(place, c);
    if (std::ssize(all) > p_.contenders) all.pop_back();
  }

  /// Of the gaps between ops of a rank; microbatches are numbered as if all were of one minibatch.
  static constexpr gap longest(program_view v, timing const& t, int rank, double from, double to) {
    gap found;
    for (gap const& g : t.gaps)
      if (g.rank == rank && g.waits_rank >= 0 && g.start >= from && g.start < to && g.length > found.length) found = g;
    for (op* o : {&found.before, &found.waits_for}) o->microbatch = floor_mod(o->microbatch, v.size.microbatches);
    return found;
  }

  plan_problem const& p_;
  std::span<plan_candidate const> list_;
  plan_result out_{};
  plan_choice of_candidate_{};
};

}  // namespace detail

/// The best and the next best way to train the items of `p` by one of the candidates; better is less time of a minibatch,
/// then less memory. Of a synchronous schedule that is the makespan of its replay; of an asynchronous one, and of all where
/// p.long_run is set, a minibatch in the middle of a long run, without fill and drain, whatever its delay does to what is
/// learnt.
///
/// Searched: every candidate, with every number of replicas D that divides the ranks, every N that divides the samples and
/// is a multiple of D, with every stage recomputed by itself and with none, on S = V R / D stages. For each of these the
/// groupings of neighbouring items: all of them where there are at most p.groupings, so that the best is exact; else those
/// with the smallest largest stage (of time, and of bytes) and what moving ends of stages by an item makes of them
/// (`all_groupings` says which). Not searched: ranks left empty, stages recomputed in part, stages that have other numbers
/// of chunks; a candidate has its V and its own numbers.
///
/// Costs that are measured cannot tell plans that are as good as each other: p.contenders asks for the best few, which a
/// trial may tell apart (foal/tried.hpp).
///
/// Ranks run one op at a time (two that a candidate's `overlaps` make one as one); messages wait for nothing but the op that
/// sends them, whatever else is under way, and ranks go on meanwhile unless p.sends_beside is false. A rank
/// holds weights times versions, state, and what F's have saved; buffers of messages are not counted. constexpr where no
/// candidate refuses. Throws a sentence where a number of `p` cannot be.
constexpr plan_result plan(plan_problem const& p, std::span<plan_candidate const> candidates) {
  return detail::planner(p, candidates).run();
}

}  // namespace foal::schedule
