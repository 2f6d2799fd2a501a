// Planned stages: the compiler groups a model's stages and chooses a schedule and its microbatches by FLOPs.
#pragma once

#include <array>

#include <foal/core/min_max_partition.hpp>
#include <foal/model/stages.hpp>
#include <foal/schedule/cost/planner.hpp>

namespace foal {

namespace detail {

/// What planned chooses, as a literal: the best of one schedule with one N.
template <int Items>
struct planned_choice {
  int candidate = -1, stages = 0, microbatches = 0;
  double time = 0;
  std::array<int, static_cast<std::size_t>(Items)> group{};
};

/// A constant expression of its own for every schedule and N, so that none comes near a compiler's limits. A backward takes
/// twice a forward's FLOPs, half of them for the weights.
template <model Net, int Ranks, int Minibatch, int N, auto Schedule>
constexpr planned_choice<stage_count<Net>> planned_of(int candidate) {
  planned_choice<stage_count<Net>> out;
  std::array<schedule::plan_item, static_cast<std::size_t>(stage_count<Net>)> items;
  for (int s = 0; s < stage_count<Net>; ++s) {
    auto const flops = static_cast<double>(forward_flops<Net>(s));
    items[static_cast<std::size_t>(s)] = {.forward = flops, .backward = flops, .weight = flops};
  }
  schedule::plan_candidate const only[] = {schedule::candidate_of<Schedule>()};
  schedule::plan_result const found = schedule::plan({.items = items,
                                                      .ranks = Ranks,
                                                      .minibatch = Minibatch,
                                                      .microbatches = N,
                                                      .recompute = false,
                                                      .replicas = false,
                                                      .groupings = 1},
                                                     only);
  if (!found.best) return out;
  out.candidate = candidate, out.stages = Ranks * only[0].chunks, out.microbatches = N, out.time = found.best.time;
  for (std::size_t i = 0; i < items.size(); ++i) out.group[i] = found.best.group[i];
  return out;
}

template <auto... Values>
struct value_list {};

}  // namespace detail

/// Net with the stages of which `group` says, by stage of Net.
template <model Net, auto Group, int Stages>
struct grouped {
  static constexpr int items = Net::items;
  static constexpr model_description<items> description = [] {
    model_description<items> d = Net::description;
    for (int i = 0; i < d.size; ++i) d.row[i].stage = Group[static_cast<std::size_t>(d.row[i].stage)];
    d.stages = Stages;
    return d;
  }();

  template <class Visitor>
  static constexpr void visit(Visitor& v) {
    Net::visit(v);
  }
};

/// A plan that the compiler makes for Net on `Ranks` ranks and minibatches of `Minibatch` samples, by FLOPs (a message takes
/// no time, memory has no end): of the synchronous schedules given, each with every N that divides the samples, up to
/// `Most` of them, that with the least makespan; of equal ones the first given, with the smallest N. Stages are the most
/// even groups of Net's (min_max_partition), Ranks times the schedule's chunks. Schedules are values:
/// `planned<net, 4, 32, 16, one_f_one_b{}, interleaved{.uneven = true}>`; one whose stages are more than Net has is left
/// out; one that throws for some N is an error of the compiler.
///
/// To train: `trainer<typename plan::model, loss, typename plan::schedule_type>` with .schedule = plan::schedule,
/// .microbatches = plan::microbatches, .microbatch_size = plan::microbatch_size. With measured costs, memory and messages
/// ask schedule::plan().
template <model Net, int Ranks, int Minibatch, int Most, auto... Schedules>
struct planned {
  static_assert((!decltype(Schedules)::asynchronous && ...),
                "foal: cannot plan an asynchronous schedule beside synchronous ones, because it has no makespan of a "
                "minibatch; ask foal::schedule::plan for it");
  static_assert(sizeof...(Schedules) > 0 && Ranks >= 1 && Minibatch >= 1 && Most >= 1,
                "foal: cannot plan, because there is no schedule, rank, sample or microbatch; give one of each at least");

 private:
  using choice = detail::planned_choice<stage_count<Net>>;

  template <auto Schedule, int N>
  static constexpr choice tried = detail::planned_of<Net, Ranks, Minibatch, N, Schedule>(0);

  template <int N, auto Schedule>
  static constexpr void compare(choice& best, int candidate) {
    if constexpr (Minibatch % N == 0) {
      choice now = tried<Schedule, N>;
      if (now.candidate < 0) return;
      now.candidate = candidate;
      if (best.candidate < 0 || now.time < best.time * (1 - 1e-9)) best = now;
    }
  }
  template <auto Schedule, int... N>
  static constexpr void compare_all(choice& best, int candidate, std::integer_sequence<int, N...>) {
    (compare<N + 1, Schedule>(best, candidate), ...);
  }
  static constexpr choice best_ = [] {
    choice best;
    int candidate = 0;
    (compare_all<Schedules>(best, candidate++, std::make_integer_sequence<int, (Most < Minibatch ? Most : Minibatch)>{}),
     ...);
    return best;
  }();
  static_assert(best_.candidate >= 0,
                "foal: cannot plan the model, because it has fewer layers with weights than there are ranks, or than the "
                "schedules' chunks on all ranks; lower the ranks, or give schedules with fewer chunks");

  template <int I, auto First, auto... Rest>
  static constexpr auto nth() {
    if constexpr (I == 0)
      return First;
    else
      return nth<I - 1, Rest...>();
  }

 public:
  static constexpr auto schedule = nth<best_.candidate, Schedules...>();
  using schedule_type = std::remove_cvref_t<decltype(schedule)>;
  static constexpr int ranks = Ranks, stages = best_.stages, microbatches = best_.microbatches;
  static constexpr int microbatch_size = Minibatch / microbatches;
  static constexpr double time = best_.time;  ///< of a minibatch, in FLOPs of one rank
  using model = grouped<Net, best_.group, stages>;
};

}  // namespace foal
