// Automatic zero bubble (Qi, Wan, Huang, Lin: Zero Bubble Pipeline Parallelism, ICLR 2024): a greedy order for given costs,
// latency and memory.
#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/schedule/rules/chunk_list.hpp>

namespace foal::schedule {

namespace detail {

/// What the greedy search is for: of every rank the durations of its F, B and W, and of the messages between it and the
/// next.
struct zb_problem {
  int microbatches = 1, memory = 1;
  std::vector<double> forward{}, backward{}, weight{}, message{};
};

/// One of the eight ways to be greedy.
struct zb_choice {
  bool eager_fill = false;      ///< before the first B, F's begin as long as it has not come, though they may delay it
  bool backward_first = false;  ///< an F is put off where it would delay the B of the rank behind
  bool even_out = false;        ///< a W may delay an op of a rank that has been idle for less than another
};

/// Puts ops into the lists of all ranks one after the other, with the times at which they run.
class zb_greedy {
 public:
  constexpr zb_greedy(zb_problem const& p, zb_choice how) : p_(p), how_(how) {
    auto const ranks = p.forward.size();
    lists_.resize(ranks), f_.assign(ranks, 0), b_ = f_, w_ = f_;
    free_.assign(ranks, 0), idle_ = free_;
    f_end_.assign(ranks * static_cast<std::size_t>(p.microbatches), 0), b_end_ = f_end_;
    fill();
    for (int i = 1; i < p.microbatches; ++i) {
      forwards();
      for (std::size_t r = ranks; r-- > 0;) backward(r);
    }
    for (std::size_t r = 0; r < ranks; ++r)
      while (w_[r] < p.microbatches) put(op_kind::W, r);
  }

  /// How long the rank that takes longest takes from its first op to its last, and when all have ended.
  constexpr std::pair<double, double> time() const {
    double span = 0, end = 0;
    for (std::size_t r = 0; r < free_.size(); ++r) {
      span = std::max(span, free_[r] - f_end_[at(r, 0)] + p_.forward[r]);
      end = std::max(end, free_[r]);
    }
    return {span, end};
  }
  constexpr std::vector<op_kind> const& list(int r) const { return lists_[static_cast<std::size_t>(r)]; }

 private:
  constexpr std::size_t at(std::size_t r, int m) const {
    return r * static_cast<std::size_t>(p_.microbatches) + static_cast<std::size_t>(m);
  }
  constexpr bool last(std::size_t r) const { return r + 1 == lists_.size(); }

  /// When the input of the rank's next F, or B, is there; 0 where it comes over no channel.
  constexpr double arrival(op_kind kind, std::size_t r) const {
    if (kind == op_kind::F) return r > 0 ? f_end_[at(r - 1, f_[r])] + p_.message[r - 1] : 0;
    return last(r) ? 0 : b_end_[at(r + 1, b_[r])] + p_.message[r];
  }

  constexpr void put(op_kind kind, std::size_t r) {
    double const length = kind == op_kind::F ? p_.forward[r] : kind == op_kind::B ? p_.backward[r] : p_.weight[r];
    double const start = kind == op_kind::W ? free_[r] : std::max(free_[r], arrival(kind, r));
    if (f_[r] > 0) idle_[r] += start - free_[r];
    free_[r] = start + length;
    if (kind == op_kind::F) f_end_[at(r, f_[r]++)] = free_[r];
    if (kind == op_kind::B) b_end_[at(r, b_[r]++)] = free_[r];
    if (kind == op_kind::W) ++w_[r];
    lists_[r].push_back(kind);
  }

  /// The first microbatch: as many forwards as fit before its backward is there, fewer on every rank than on the one before,
  /// unless that has them all.
  constexpr void fill() {
    std::size_t const ranks = lists_.size();
    for (std::size_t r = 0; r < ranks; ++r) put(op_kind::F, r);
    std::vector<int> more(ranks, 0);
    double there = f_end_[at(ranks - 1, 0)] + p_.backward[ranks - 1];
    for (std::size_t r = ranks - 1; r-- > 0;) {
      double until = free_[r];
      there += p_.message[r];
      for (; more[r] + 1 < p_.microbatches && more[r] + 2 <= p_.memory; ++more[r]) {
        if (how_.eager_fill ? until + p_.forward[r] > there : until >= there) break;
        until += p_.forward[r];
      }
      there = std::max(until, there) + p_.backward[r];
    }
    for (std::size_t r = 1; r < ranks; ++r)
      while (more[r] > 0 && more[r] >= more[r - 1] && more[r - 1] + 1 < p_.microbatches) --more[r];
    for (std::size_t r = 0; r < ranks; ++r)
      for (int i = 0; i < more[r]; ++i) put(op_kind::F, r);
    for (std::size_t r = ranks; r-- > 0;) put(op_kind::B, r);
  }

  /// A forward of every rank that is to have one before its next B, W's in the gaps before it.
  constexpr void forwards() {
    std::size_t const ranks = lists_.size();
    std::vector<char> runs(ranks, 0);
    for (std::size_t r = 0; r < ranks; ++r) runs[r] = f_[r] < p_.microbatches && !put_off(r);
    for (std::size_t r = ranks - 1; r-- > 0;) runs[r] = runs[r] != 0 && runs[r + 1] != 0;
    for (std::size_t r = 0; r < ranks; ++r) {
      if (runs[r] == 0) continue;
      while (f_[r] - w_[r] + 1 > p_.memory && w_[r] < b_[r]) put(op_kind::W, r);
      if (r > 0) weights_until(arrival(op_kind::F, r), r);
      put(op_kind::F, r);
    }
  }

  constexpr bool put_off(std::size_t r) const {
    if (!how_.backward_first || last(r) || f_[r] < f_[r + 1] + 2) return false;
    double const behind = free_[r + 1] + p_.forward[r + 1] + p_.backward[r + 1] + p_.message[r];
    if (free_[r] >= behind) return true;
    int const room = std::min(std::max(0, f_[r] - w_[r] + 1 - p_.memory), b_[r] - w_[r]);
    if (free_[r] + p_.forward[r] + room * p_.weight[r] <= behind) return false;
    return behind - free_[r] <= spare(r);
  }

  constexpr void backward(std::size_t r) {
    if (!last(r)) weights_until(arrival(op_kind::B, r), r);
    if (r == 0 && f_[r] == p_.microbatches)
      while (w_[r] < b_[r]) put(op_kind::W, r);
    put(op_kind::B, r);
  }

  /// Fills the time before `when` with W's; with one that is too long for the rest unless the rank may be idle so long.
  constexpr void weights_until(double when, std::size_t r) {
    while (w_[r] < b_[r] && free_[r] + p_.weight[r] <= when) put(op_kind::W, r);
    if (w_[r] == b_[r] || free_[r] >= when) return;
    if (how_.even_out || when - free_[r] > spare(r)) put(op_kind::W, r);
  }

  /// For how long the rank may be idle until it is what the idlest one has been.
  constexpr double spare(std::size_t r) const { return *std::max_element(idle_.begin(), idle_.end()) - idle_[r]; }

  zb_problem const& p_;
  zb_choice how_;
  std::vector<std::vector<op_kind>> lists_;
  std::vector<int> f_, b_, w_;
  std::vector<double> free_, idle_, f_end_, b_end_;
};

/// The best of the eight lists of every rank.
template <class Sink>
constexpr void emit_greedy(extent e, zb_problem const& p, Sink& sink) {
  zb_choice best{};
  std::pair<double, double> least{-1, -1};
  for (int way = 0; way < 8; ++way) {
    zb_choice const how{.eager_fill = (way & 4) == 0, .backward_first = (way & 2) == 0, .even_out = (way & 1) == 0};
    auto const time = zb_greedy(p, how).time();
    if (least.first >= 0 && !(time < least)) continue;
    least = time, best = how;
  }
  zb_greedy const chosen(p, best);
  for (int r = 0; r < e.ranks; ++r) {
    chunk_list list(e, r, {chunk_of(e, r)}, sink);
    for (op_kind const kind : chosen.list(r)) {
      if (kind == op_kind::F) list.forward();
      if (kind == op_kind::B) list.backward();
      if (kind == op_kind::W) list.weight();
    }
  }
}

}  // namespace detail

/// Which op a rank runs next is decided for the costs, op after op, in eight ways: of these lists it is the one whose
/// slowest rank takes the least time from its first op to its last, and of equal ones that which ends first. Durations are
/// of one stage, in any unit. A rank saves `memory` microbatches at most; with R it is about zb_h1, with 2 R about zb_h2,
/// with other costs better than both; down to 1 it runs, and is slow. Any N, any S >= R. W's run in order, so that it has
/// the bits of `sequential`. Delay 0. Throws foal::error where a duration or the memory is below 0.
struct zb_auto {
  static constexpr char const* name = "zb_auto";
  static constexpr bool asynchronous = false;
  static constexpr bool proved_at_construction = true;  ///< a search

  double forward = 1, backward = 1, weight = 1;
  double message = 0;  ///< from the end of an op to the start of its successor on another rank
  int memory = 0;      ///< 0: R, which is what rank 0 of one_f_one_b saves

  template <class F>
  constexpr void numbers(F&& f) const {
    f("forward", forward);
    f("backward", backward);
    f("weight", weight);
    f("message", message);
    f("memory", memory);
  }
  constexpr void check() const {
    for (double const v : {forward, backward, weight, message})
      if (!(v >= 0 && v <= 1e300))
        throw error(sentence("cannot generate zb_auto for a duration of ", v,
                             ", because ops and messages take time; give 0 or more"));
    if (memory < 0)
      throw error(sentence("cannot generate zb_auto with .memory = ", memory,
                           ", because a rank saves a microbatch at least; use 1 or more, or 0 for R"));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    detail::zb_problem p{.microbatches = e.microbatches, .memory = memory > 0 ? memory : e.ranks};
    for (int r = 0; r < e.ranks; ++r) {
      double const stages = first_stage(e, r + 1) - first_stage(e, r);
      p.forward.push_back(stages * forward), p.backward.push_back(stages * backward), p.weight.push_back(stages * weight);
      p.message.push_back(message);
    }
    detail::emit_greedy(e, p, sink);
  }
};

/// zb_auto's program for stages that differ: `times`, one per stage, say what their F, B and W take (those of one rank
/// together), and the messages between them. Ranks, memory and what is thrown are as with zb_auto.
constexpr program zb_auto_for(extent e, std::span<stage_times const> times, int memory = 0) {
  zb_auto{.memory = memory}.check();
  costs{.stages = times}.check(e.stages);
  detail::zb_problem p{.microbatches = e.microbatches, .memory = memory > 0 ? memory : e.ranks};
  for (int r = 0; r < e.ranks; ++r) {
    stage_times sum{0, 0, 0};
    for (int s = first_stage(e, r); s < first_stage(e, r + 1); ++s) {
      stage_times const& t = times[static_cast<std::size_t>(s)];
      sum.forward += t.forward, sum.backward += t.backward, sum.weight += t.weight, sum.message = t.message;
    }
    p.forward.push_back(sum.forward), p.backward.push_back(sum.backward), p.weight.push_back(sum.weight);
    p.message.push_back(sum.message);
  }
  program out(e, 0, false);
  detail::emit_greedy(e, p, out);
  time(out);
  return out;
}

}  // namespace foal::schedule
