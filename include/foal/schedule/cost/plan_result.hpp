// What a planner finds: the best configurations, and why others are none.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <foal/schedule/cost/idle.hpp>

namespace foal::schedule {

/// One way to train the model: a configuration and a grouping.
struct plan_choice {
  int candidate = -1;  ///< of the list; -1: none
  std::string_view name;
  int ranks = 1, chunks = 1;  ///< of one replica
  int replicas = 1;
  int copies = 1;        ///< of every stage: replicas, or those that the schedule has itself, on the same ranks
  int microbatches = 1;  ///< N, over all replicas
  int segments = 1;      ///< of a microbatch, each an op
  bool recomputed = false, asynchronous = false;
  bool long_run = false;        ///< `time` is that of a minibatch in the middle of a long run
  std::vector<int> group;       ///< by item: its stage
  double time = 0;              ///< of a minibatch
  std::vector<double> bytes;    ///< by rank, at most
  std::vector<idle_time> idle;  ///< by rank, of `time`; in a long run all of it is waiting
  gap wait{};                   ///< the longest one between two ops of busiest(); of length 0 where there is none
  bool all_groupings = false;   ///< all were tried: no other grouping of this configuration takes less time

  constexpr explicit operator bool() const { return candidate >= 0; }
  /// On one rank all schedules are the same but for what is kept: what differs in these alone is no other way to train.
  constexpr bool as_good_as_same(plan_choice const& other) const {
    return ranks == 1 && other.ranks == 1 && replicas == other.replicas && recomputed == other.recomputed;
  }
  /// The same program of the same stages.
  constexpr bool same_as(plan_choice const& other) const {
    return candidate == other.candidate && replicas == other.replicas && microbatches == other.microbatches &&
           recomputed == other.recomputed && group == other.group;
  }
  constexpr double most_bytes() const { return bytes.empty() ? 0 : *std::max_element(bytes.begin(), bytes.end()); }
  /// The rank that is idle least.
  constexpr int busiest() const {
    int rank = 0;
    for (std::size_t r = 1; r < idle.size(); ++r)
      if (idle[r].sum() < idle[static_cast<std::size_t>(rank)].sum()) rank = static_cast<int>(r);
    return rank;
  }
  /// Less time; as much, and less memory.
  constexpr bool better_than(plan_choice const& other) const {
    if (!other || candidate < 0) return candidate >= 0;
    double const alike = other.time * 1e-9;  // sums of the same numbers in another order
    return time < other.time - alike || (time <= other.time + alike && most_bytes() < other.most_bytes());
  }
};

enum class refusal : char { too_few_items, memory, cannot };

/// Configurations (a schedule with N, replicas and recomputation) of one candidate that are refused alike.
struct plan_refusal {
  int candidate = 0;
  std::string_view name;
  refusal why = refusal::cannot;
  int count = 0;
  double bytes = -1;              ///< memory: the smallest that would do for one of them, of what was tried
  int stages = 0;                 ///< too_few_items: the fewest that one of them needs
  std::vector<std::string> says;  ///< cannot: one sentence, of the first of them
};

/// What plan() has found, and how much it has looked at.
struct plan_result {
  plan_choice best, runner_up;             ///< runner_up: the best of all other configurations, if one is another way
  std::vector<plan_choice> of_candidates;  ///< the best of every candidate that has one, best first
  /// Of all that have been tried, groupings too, the plan_problem::contenders best within `within` of the best; that first.
  std::vector<plan_choice> contenders;
  std::vector<plan_refusal> refused;
  long long configurations = 0;  ///< tried, those that do not fit included
  long long groupings = 0;       ///< tried, all configurations together
  bool all_groupings = true;     ///< false: of some configurations a search from the most even grouping stands for all

  /// The smallest memory with which one of what was refused for it would do; below 0: none was.
  constexpr double least_bytes() const {
    double least = -1;
    for (plan_refusal const& r : refused)
      if (r.why == refusal::memory && (least < 0 || r.bytes < least)) least = r.bytes;
    return least;
  }
};

}  // namespace foal::schedule
