// What a plan is made for: a model's items, the machine, and the schedules that may be chosen.
#pragma once

#include <limits>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include <foal/schedule/cost/staleness.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/replay.hpp>

namespace foal::schedule {

/// The smallest piece of a model that can be a stage. Times and bytes in any units, the same throughout; all 0 or more.
struct plan_item {
  double forward = 1, backward = 1, weight = 1;  ///< times of F, B and W of one sample; BW takes backward + weight
  double update = 0;                             ///< time of U
  double weights = 0;                            ///< bytes of a version of its weights, and of their gradients on a wire
  double state = 0;                              ///< bytes beside the newest version: gradients, the optimizer's numbers
  double saved = 0;                              ///< bytes that F keeps of a sample until W
  double wire = 0;                               ///< bytes of its output of a sample
};

/// A model on a machine.
struct plan_problem {
  std::span<plan_item const> items;
  int ranks = 1;
  int minibatch = 1;     ///< samples
  int microbatches = 0;  ///< N; 0: the best of those that divide the samples
  double input = 0;      ///< bytes of a sample of the data, which a recomputed first stage keeps
  double overhead = 0;   ///< time that every F, B, W, BW and R takes besides its samples
  double latency = 0;    ///< time of a message besides its bytes
  double bandwidth = std::numeric_limits<double>::max();  ///< bytes of a message in a unit of time
  double memory = std::numeric_limits<double>::max();     ///< bytes that a rank may hold
  bool recompute = true;                                  ///< recomputation may be chosen
  bool replicas = true;                                   ///< several replicas may be chosen
  /// False: while its bytes are on their way, the rank that sends a message does nothing else (latency it need not wait
  /// for).
  bool sends_beside = true;
  /// Of synchronous schedules too the time of a minibatch in the middle of a long run, in which a rank begins the next one
  /// while others still end theirs; else from the first op to the last.
  bool long_run = false;
  /// Where the items can be grouped in more ways than this, not all are tried; 1: the most even one alone.
  int groupings = 1000;
  /// Of the best plans, how many are wanted in plan_result::contenders, and by what part of the best one's time they may
  /// be slower: costs are measured, and cannot tell plans that are nearer to each other than they are to the truth.
  int contenders = 1;
  double within = 0;

  /// Throws foal::error where a number cannot be.
  constexpr void check() const {
    if (items.empty() || ranks < 1 || minibatch < 1 || microbatches < 0 || groupings < 1)
      throw error(sentence("cannot plan ", items.size(), " items on ", ranks, " ranks for minibatches of ", minibatch,
                           " samples with ", groupings,
                           " groupings, because a plan needs something of each; give 1 or more"));
    if (microbatches > 0 && minibatch % microbatches != 0)
      throw error(sentence("cannot plan ", microbatches, " microbatches of a minibatch of ", minibatch,
                           " samples, because all have the same number of them; give a number that divides the samples, or "
                           "0 for the best"));
    if (contenders < 1)
      throw error(sentence("cannot plan with ", contenders, " contenders, because the best plan is one; give 1 or more"));
    auto const is = [](double v) {
      if (!(v >= 0 && v <= std::numeric_limits<double>::max()))
        throw error(sentence("cannot plan with a cost of ", v, ", because times and bytes are finite; give 0 or more"));
    };
    for (plan_item const& i : items)
      for (double const v : {i.forward, i.backward, i.weight, i.update, i.weights, i.state, i.saved, i.wire}) is(v);
    for (double const v : {input, overhead, latency, memory, within}) is(v);
    if (!(bandwidth > 0))
      throw error(sentence("cannot plan with a bandwidth of ", bandwidth,
                           ", because messages would never arrive; give more than 0"));
  }
};

/// A schedule that may be chosen. `build` gives its program for stages, ranks, microbatches and the times of the stages, and
/// throws a sentence where there is none; `versions`, per stage, how many of its weights are there (null: one). For a
/// schedule with numbers of its own, or one made for given costs, write a value of this type.
struct plan_candidate {
  std::string_view name;
  int chunks = 1;  ///< V, on every rank
  program (*build)(int stages, int ranks, int microbatches, std::span<stage_times const> times) = nullptr;
  std::vector<int> (*versions)(program_view) = nullptr;
  /// Null, or which ops are done as one (costs::overlaps), by a program of one replica.
  std::vector<char> (*overlaps)(program_view) = nullptr;
  /// The program depends on times: it is made for each grouping. Else once, for stages that all take the mean.
  bool by_times = false;
};

/// A schedule as it is written: `candidate_of<interleaved{.chunks = 4}>("interleaved 4")`; `Rule` is the rule by which an
/// asynchronous one reads versions of weights.
template <auto Schedule, class Rule = own_versions>
constexpr plan_candidate candidate_of(std::string_view name = std::remove_cvref_t<decltype(Schedule)>::name) {
  constexpr int chunks = extent_of(Schedule, 1, 1, 1).placed.chunks;
  return {.name = name,
          .chunks = chunks > 0 ? chunks : 1,
          .build =
              [](int stages, int ranks, int microbatches, std::span<stage_times const>) {
                if (int const most = ranks_for(Schedule, stages); most < ranks)
                  throw error(sentence("cannot run ", std::remove_cvref_t<decltype(Schedule)>::name, " of ", stages,
                                       " stages on ", ranks, " ranks, because it is for ", most, "; use those"));
                return generate(Schedule, extent_of(Schedule, stages, ranks, microbatches));
              },
          .versions =
              [](program_view v) {
                std::vector<int> all;
                for (staleness const& s : staleness_of(v, Rule{})) all.push_back(s.versions);
                return all;
              }};
}

}  // namespace foal::schedule
