// Plans that their costs cannot tell apart, told apart by running them.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <foal/report/statistics.hpp>
#include <foal/schedule/cost/plan_program.hpp>
#include <foal/schedule/cost/plan_text.hpp>
#include <foal/schedule/rules/listed.hpp>
#include <foal/trainer.hpp>

namespace foal {

/// A contender of a trial.
struct tried_plan {
  schedule::plan_choice choice;
  std::vector<double> seconds{};  ///< of a minibatch, by round
  std::string refused{};          ///< the sentence of who cannot run it; it has no seconds then

  double median() const { return report::median(seconds); }
};

/// What a trial has found. It goes by the clock, so a trial is for choosing a plan, once, and never part of a run: what it
/// has chosen is printed, and made again by its name and grouping (schedule::choice_of).
struct trial {
  std::vector<tried_plan> plans;  ///< as they were given
  int fastest = -1;               ///< of plans, by its median; of equal ones the first; -1: none could run

  /// Throws a sentence where none could run.
  schedule::plan_choice const& best() const {
    require(fastest >= 0, "cannot choose a plan, because none of ", plans.size(), " could run",
            plans.empty() ? std::string() : ": " + plans.front().refused, "; give contenders that can");
    return plans[static_cast<std::size_t>(fastest)].choice;
  }
};

/// Runs contenders in turns (every other round in reverse, so that none has a place of its own) after a round that does not
/// count. begin(plan_choice) gives what runs one, a function that trains some minibatches and gives the seconds of one; of
/// all contenders it is there to the end. What begin throws as foal::error is the contender's refusal.
template <class Begin>
trial tried(std::span<schedule::plan_choice const> contenders, int rounds, Begin begin) {
  require(rounds >= 1, "cannot try plans in ", rounds,
          " rounds, because there would be no time to choose by; give 1 or more");
  using run_type = decltype(begin(contenders.front()));
  trial found;
  std::vector<std::optional<run_type>> runs(contenders.size());
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    found.plans.push_back({contenders[i]});
    try {
      runs[i].emplace(begin(contenders[i]));
    } catch (error const& e) {
      found.plans[i].refused = e.what();
    }
  }
  for (int round = -1; round < rounds; ++round)
    for (std::size_t k = 0; k < runs.size(); ++k) {
      std::size_t const i = round % 2 == 0 ? k : runs.size() - 1 - k;
      if (!runs[i]) continue;
      double const took = (*runs[i])();
      if (round >= 0) found.plans[i].seconds.push_back(took);
    }
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (runs[i] &&
        (found.fastest < 0 || found.plans[i].median() < found.plans[static_cast<std::size_t>(found.fastest)].median()))
      found.fastest = static_cast<int>(i);
  return found;
}

/// The same by trainers of Net with Loss and Policies (schedule::listed, a worker a rank, momentum and the like as given):
/// `tried<net, loss::cross_entropy>(found.contenders, problem, candidates, source)`. The items of `problem` are the stages
/// of Net. source(samples) gives what trainer::run takes, in microbatches of so many samples. Each turn trains `minibatches`
/// of 2 or more; the time of one is that between updates of stage 0. What listed cannot run (schedules without a flush,
/// replicas) is refused. Calling thread: as trainer::run.
template <model Net, class Loss, class... Policies, class Source>
trial tried(std::span<schedule::plan_choice const> contenders, schedule::plan_problem const& p,
            std::span<schedule::plan_candidate const> candidates, Source source, int rounds = 5, int minibatches = 11) {
  require(minibatches >= 2, "cannot try plans for ", minibatches,
          " minibatches, because the time of one is that between two updates; give 2 or more");
  using run_type = trainer<Net, Loss, schedule::listed, Policies...>;
  return tried(contenders, rounds, [&](schedule::plan_choice const& c) {
    int const ranks = c.ranks * c.replicas, samples = p.minibatch / c.microbatches;
    typename run_type::config config{.microbatch_size = samples, .microbatches = c.microbatches};
    config.workers = config.ranks = ranks, config.evaluation = false;
    config.schedule = schedule::listed{schedule::program_of(c, p, candidates)};
    auto traces = std::make_shared<report::trace>(
        ranks, static_cast<std::size_t>(minibatches) * static_cast<std::size_t>(4 * c.microbatches + 2) * p.items.size());
    return [run = std::make_shared<run_type>(std::move(config)), traces, batches = source(samples), minibatches] {
      for (int w = 0; w < traces->workers(); ++w) (*traces)[w].clear();
      run->run(batches, {.minibatches = minibatches, .traces = traces.get()});
      std::vector<double> updates;
      for (report::span const& s : traces->spans())
        if (s.stage == 0 && std::string_view(s.kind) == "U") updates.push_back(1e-9 * static_cast<double>(s.end_ns));
      std::vector<double> took;
      for (std::size_t i = 1; i < updates.size(); ++i) took.push_back(updates[i] - updates[i - 1]);
      return report::median(took);
    };
  });
}

/// A line a contender, the fastest marked: configuration, grouping, milliseconds of a minibatch by the plan's costs (in
/// seconds) and in the trial, with quartiles.
inline std::string text_of(trial const& of, schedule::plan_problem const& p) {
  std::string out;
  for (std::size_t i = 0; i < of.plans.size(); ++i) {
    tried_plan const& t = of.plans[i];
    auto const ms = [&](double seconds) { return std::round(1e5 * seconds) / 100; };
    out += sentence(static_cast<int>(i) == of.fastest ? "* " : "  ", schedule::configuration_of(t.choice, p), ", items ",
                    schedule::ranges_of(t.choice.group), ": planned ", ms(t.choice.time), " ms, ");
    out += t.refused.empty() ? sentence("took ", ms(t.median()), " (", ms(report::quantile(t.seconds, 0.25)), " to ",
                                        ms(report::quantile(t.seconds, 0.75)), ")")
                             : "refused: " + t.refused;
    out += '\n';
  }
  return out;
}

}  // namespace foal
