// Lists of two chunks a rank on a V, run with costs: as they are, or with ops that run ahead where a rank would wait.
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <foal/schedule/rules/v_grid.hpp>

namespace foal::schedule {

/// Durations of a stage's ops, and of a message to another rank.
struct v_costs {
  double forward = 1, backward = 1, weight = 1, message = 0;
};

/// How the ranks may leave the order of their lists.
struct v_freedom {
  bool ahead = false;    ///< an op runs before those in front of it that could only start later, W's last
  double patience = 1;   ///< a W runs ahead where the next other op that is known starts so many W's later, or more
  int memory = 1 << 28;  ///< chunks that a rank saves at most, those of the ops in front of a forward included
};

/// Runs lists to their ends: after that it has the lists in the order in which they ran. Every chunk has the durations of
/// one stage times its stages. Needs lists that can run.
class v_run {
 public:
  constexpr v_run(extent e, std::vector<v_list> const& lists, v_costs const& cost, v_freedom how = {})
      : cost_(cost), how_(how), ranks_(lists.size()), n_(static_cast<std::size_t>(e.microbatches)), states_(lists.size()) {
    ends_.assign(4 * ranks_ * n_, -1);
    for (std::size_t r = 0; r < ranks_; ++r) {
      state& x = states_[r];
      for (v_kind const kind : lists[r])
        if (kind != none) x.left.push_back(kind);
      int const rank = static_cast<int>(r);
      double const up = length_of(half_of(e, rank, 0)), down = length_of(half_of(e, rank, 1));
      x.length = {up * cost.forward,  down * cost.forward, down * cost.backward,
                  up * cost.backward, down * cost.weight,  up * cost.weight};
    }
    for (std::size_t r = 0; r < ranks_; ++r) choose(r);
    // The op that starts first of all: no other one can come before it any more.
    while (true) {
      std::size_t first = 0;
      for (std::size_t r = 1; r < ranks_; ++r)
        if (states_[r].start < states_[first].start) first = r;
      if (ranks_ == 0 || states_[first].start >= never) return;
      run(first);
      for (std::size_t r = first == 0 ? 0 : first - 1; r < std::min(first + 2, ranks_); ++r) choose(r);
    }
  }

  /// How long the rank that takes longest takes from its first op to its last, and when all have ended.
  constexpr std::pair<double, double> time() const {
    double span = 0, end = 0;
    for (state const& x : states_) {
      span = std::max(span, x.free - x.first);
      end = std::max(end, x.free);
    }
    return {span, end};
  }
  constexpr std::vector<v_list> lists() const {
    std::vector<v_list> all;
    for (state const& x : states_) all.push_back(x.ran);
    return all;
  }

 private:
  using enum v_kind;
  static constexpr double never = 1e308;

  struct state {
    v_list left, ran;
    std::size_t next = 0;  // in left
    double start = never, free = 0, first = -1;
    int saved = 0;
    std::array<double, 6> length{};
    std::array<std::size_t, 6> count{};
  };

  static constexpr std::size_t number(v_kind kind) { return static_cast<std::size_t>(kind) - 1; }
  static constexpr double length_of(chunk const& c) { return c.end - c.first; }
  constexpr double& end_of(std::size_t k, std::size_t r, std::size_t m) { return ends_[(k * ranks_ + r) * n_ + m]; }

  /// When the inputs of the next op of a kind are there; never: it is not known yet.
  constexpr double arrival(v_kind kind, std::size_t r) {
    std::size_t const k = number(kind), m = states_[r].count[k];
    double there = 0;
    auto const needs = [&](std::size_t other, std::size_t rank, double message) {
      double const end = end_of(other, rank, m);
      there = end < 0 ? never : std::max(there, end + message);
    };
    if (weights(kind)) {
      needs(number(kind == weight ? down_backward : up_backward), r, 0);
      return there;
    }
    if (k > 0) needs(backwards(kind) ? number(kind == down_backward ? down_forward : up_forward) : k - 1, r, 0);
    bool const from_below = kind == up_forward || kind == down_backward;
    if (there < never && from_below && r > 0) needs(k, r - 1, cost_.message);
    if (there < never && !from_below && r + 1 < ranks_) needs(k, r + 1, cost_.message);
    if (there < never && kind == up_backward && r + 1 == ranks_) needs(number(down_backward), r, 0);
    return there;
  }

  /// Which op the rank runs next, as far as is known now.
  constexpr void choose(std::size_t r) {
    state& x = states_[r];
    x.start = never;
    std::array<bool, 6> seen{};
    int held = 0, most = 0, kinds = 0;  // what the ops in front save
    double weight_start = never;
    std::size_t weight_at = 0;
    for (std::size_t i = 0; i < x.left.size() && kinds < 6; ++i) {
      v_kind const kind = x.left[i];
      bool const first = !seen[number(kind)], fits = !how_.ahead || !forwards(kind) || x.saved + most < how_.memory;
      kinds += first ? 1 : 0;
      seen[number(kind)] = true;
      held += forwards(kind) ? 1 : weights(kind) ? -1 : 0;
      most = std::max(most, held);
      double const there = first && fits ? arrival(kind, r) : never;
      double const start = there < never ? std::max(x.free, there) : never;
      if (weights(kind) && how_.ahead) {
        if (start < weight_start) weight_start = start, weight_at = i;
      } else if (start < x.start) {
        x.start = start, x.next = i;
      }
      if (!how_.ahead) return;
    }
    if (weight_start < never && weight_start + how_.patience * x.length[number(x.left[weight_at])] <= x.start)
      x.start = weight_start, x.next = weight_at;
  }

  constexpr void run(std::size_t r) {
    state& x = states_[r];
    v_kind const kind = x.left[x.next];
    std::size_t const k = number(kind), m = x.count[k]++;
    x.left.erase(x.left.begin() + static_cast<std::ptrdiff_t>(x.next));
    x.ran.push_back(kind);
    if (x.first < 0) x.first = x.start;
    x.free = x.start + x.length[k];
    if (!weights(kind)) end_of(k, r, m) = x.free;
    x.saved += forwards(kind) ? 1 : weights(kind) ? -1 : 0;
  }

  v_costs cost_;
  v_freedom how_;
  std::size_t ranks_, n_;
  std::vector<state> states_;
  std::vector<double> ends_;  // of kinds but W's, ranks, microbatches
};

}  // namespace foal::schedule
