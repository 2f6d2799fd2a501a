// The general V schedule (Qi, Wan, Amar, Lin: Pipeline Parallelism with Controllable Memory, NeurIPS 2024): of all building
// blocks that fit a rank's memory the best one.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/schedule/rules/v_run.hpp>
#include <foal/schedule/rules/zb_v.hpp>

namespace foal::schedule {

/// Two chunks a rank on a V. Blocks go up over the ranks in steps of 5 to 1 slots, from some rank on in smaller ones, and
/// down in steps of 1, with any of six gaps where they turn: V-Half has steps of 2, V-Min of 1. Each repeats, and its ends
/// are moved together as v_half's. Of the lists with which no rank saves more than `memory` chunks of a microbatch it is the
/// one whose slowest rank takes the least time, for the costs given, from its first op to its last; of equal ones that which
/// ends first. Lists run as they are, and with ops that run ahead where a rank would wait; zb_v is among them where it fits.
/// With equal costs the bubble goes from two thirds of one_f_one_b's, at about 2 R / 3 chunks, down to none at 2 R; more do
/// not help. Any N, any S >= R. W's run in order, so that it has the bits of `sequential`. Delay 0.
///
/// Throws foal::error where a duration or the memory is below 0, or no list is as small as the memory. Takes about 60 R
/// blocks, each in R^2 N^2 steps: for tens of ranks use v_half or v_min.
struct v_search {
  static constexpr char const* name = "v_search";
  static constexpr bool asynchronous = false;
  static constexpr placement placed = vee.in(2);
  static constexpr bool proved_at_construction = true;  ///< a search
  static constexpr int ranks(int stages) { return (stages + 1) / 2; }

  int memory = 0;  ///< chunks of a microbatch that a rank may save; 0: 2 R, as rank 0 of one_f_one_b
  double forward = 1, backward = 1, weight = 1;
  double message = 0;  ///< from the end of an op to the start of its successor on another rank

  template <class F>
  constexpr void numbers(F&& f) const {
    f("memory", memory);
    f("forward", forward);
    f("backward", backward);
    f("weight", weight);
    f("message", message);
  }
  constexpr void check() const {
    for (double const v : {forward, backward, weight, message})
      if (!(v >= 0 && v <= 1e300))
        throw error(sentence("cannot generate v_search for a duration of ", v,
                             ", because ops and messages take time; give 0 or more"));
    if (memory < 0)
      throw error(sentence("cannot generate v_search with .memory = ", memory,
                           ", because a rank saves a chunk at least; use 1 or more, or 0 for 2 R"));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    v_costs const cost{forward, backward, weight, message};
    int const cap = memory > 0 ? memory : 2 * e.ranks;
    bool const equal = forward == backward && backward == weight && !(message > 0);
    int smallest = 0;
    std::pair<double, double> least{-1, -1};
    std::vector<v_list> best;
    auto const consider = [&](std::vector<v_list> const& lists) {
      for (v_freedom const how : {v_freedom{}, {true, 0.5, cap}, {true, 1, cap}}) {
        if (how.ahead && equal) break;  // then blocks fit as they are
        v_run const run(e, lists, cost, how);
        if (least.first >= 0 && !(run.time() < least)) continue;
        least = run.time();
        best = run.lists();
      }
    };
    for_each_block(e.ranks, [&](std::vector<v_offsets> const& block) {
      v_grid grid(block, e.microbatches);
      int const peak = grid.peak();
      smallest = smallest == 0 ? peak : std::min(smallest, peak);
      if (peak > cap) return;
      grid.finish(true);
      consider(grid.lists());
    });
    if (cap >= 2 * e.ranks) consider(of_zb_v(e));
    if (least.first < 0)
      throw error(sentence("cannot generate v_search for ", e.microbatches, " microbatches on ", e.ranks,
                           " ranks with .memory = ", cap, ", because the smallest building block saves ", smallest,
                           " chunks; give ", smallest, " or more, or fewer microbatches"));
    emit_lists(e, best, sink);
  }

 private:
  static constexpr std::vector<v_list> of_zb_v(extent e) {
    e.stages = 2 * e.ranks;  // one op of a chunk is one of a stage
    std::vector<v_list> lists(static_cast<std::size_t>(e.ranks));
    auto const take = [&](int rank, op const& o) {
      bool const up = o.stage == rank;
      v_list& list = lists[static_cast<std::size_t>(rank)];
      if (o.kind == op_kind::F) list.push_back(up ? v_kind::up_forward : v_kind::down_forward);
      if (o.kind == op_kind::B) list.push_back(up ? v_kind::up_backward : v_kind::down_backward);
      if (o.kind == op_kind::W) list.push_back(up ? v_kind::up_weight : v_kind::weight);
    };
    zb_v{}.emit(e, take);
    return lists;
  }

  /// f(offsets of every rank) for every block in which no two ops of a rank meet.
  template <class F>
  static constexpr void for_each_block(int ranks, F&& f) {
    constexpr int block = 6;
    for (int step = 1; step < block; ++step)
      for (int after = 1; after <= step; ++after)
        for (int change = 1; change < (after == step ? 2 : ranks - 1); ++change) {
          std::vector<int> up{0};  // slots of the steps up to each rank
          for (int r = 1; r < ranks; ++r) up.push_back(up.back() + (r <= change ? step : after));
          for (int gaps = 0; gaps < block * block * block; ++gaps) {
            int const down = up.back() + gaps % block + 1, back = down + ranks - 1 + gaps / block % block + 1,
                      end = back + up.back() + gaps / block / block + 1;
            std::vector<v_offsets> offsets;
            bool meet = false;
            for (int r = 0; r < ranks && !meet; ++r) {
              int const u = up[static_cast<std::size_t>(r)], d = ranks - 1 - r;
              offsets.push_back({u, down + d, back + u, end + d});
              int taken = 0;
              for (int const slot : offsets.back()) {
                meet = meet || (taken >> slot % block & 1) != 0;
                taken |= 1 << slot % block;
              }
            }
            if (!meet) f(offsets);
          }
        }
  }
};

}  // namespace foal::schedule
