// What a fit gives back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <foal/executor/engine.hpp>

namespace foal {

using evaluation_result = executor::evaluation_result;
using divergence = executor::divergence;

/// What a fit gives back.
struct fit_report {
  /// Mean training loss of each epoch over the targets that count, as the forwards saw it; NaN where none counts.
  std::vector<double> epoch_loss{};
  std::vector<evaluation_result> evaluations{};     ///< one after each epoch, where there is something to evaluate on
  std::vector<executor::diagnostic> diagnostics{};  ///< where config.diagnostics asks for them: by update, then by stage
  std::optional<divergence> diverged{};
  std::vector<std::string> notes{};  ///< a sentence for each epoch without a loss; evaluations have theirs in .fault
  long long updates = 0;
  double seconds = 0, samples_per_second = 0;

  /// Of the last evaluation; 0 where there is none, NaN where the loss has no accuracy (a regression).
  double accuracy() const { return evaluations.empty() ? 0 : evaluations.back().accuracy; }
};

namespace detail {

/// The report of a run of epochs of `per_epoch` minibatches; the run has made `updates` in all.
inline fit_report report_of(executor::run_result const& result, long long updates, long long per_epoch,
                            executor::run_values const& values) {
  fit_report r;
  r.evaluations = result.evaluations;
  r.diverged = result.diverged;
  r.diagnostics = result.diagnostics;
  r.updates = updates;
  r.seconds = result.seconds;
  long long const trained = result.microbatches * values.microbatch_size;  // after a divergence not all of them
  if (result.seconds > 0) r.samples_per_second = static_cast<double>(trained) / result.seconds;
  auto const epoch = static_cast<std::size_t>(per_epoch * values.microbatches);
  auto const known = static_cast<std::size_t>(result.microbatches);
  for (std::size_t first = 0; first < known; first += epoch) {
    double sum = 0, weight = 0;
    for (std::size_t i = first; i < std::min(first + epoch, known); ++i) {
      sum += result.losses[i].sum;
      weight += result.losses[i].weight;
    }
    r.epoch_loss.push_back(weight > 0 ? sum / weight : std::numeric_limits<double>::quiet_NaN());
    if (!(weight > 0))
      r.notes.push_back(sentence("cannot give a training loss of epoch ", r.epoch_loss.size(), ", because none of its ",
                                 "targets counts; give some that the loss does not ignore"));
  }
  return r;
}

}  // namespace detail

}  // namespace foal
