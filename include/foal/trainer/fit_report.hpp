// What a fit gives back.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include <foal/executor/engine.hpp>

namespace foal {

using evaluation_result = executor::evaluation_result;
using divergence = executor::divergence;

/// What a fit gives back.
struct fit_report {
  std::vector<double> epoch_loss{};                 ///< mean training loss of each epoch, as the forwards saw it
  std::vector<evaluation_result> evaluations{};     ///< one after each epoch, where there is something to evaluate on
  std::vector<executor::diagnostic> diagnostics{};  ///< where config.diagnostics asks for them: by update, then by stage
  std::optional<divergence> diverged{};
  long long updates = 0;
  double seconds = 0, samples_per_second = 0;

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
  long long trained = 0;  // after a divergence not all of them
  for (auto const& l : result.losses) trained += l.weight > 0 ? values.microbatch_size : 0;
  if (result.seconds > 0) r.samples_per_second = static_cast<double>(trained) / result.seconds;
  auto const epoch = static_cast<std::size_t>(per_epoch * values.microbatches);
  for (std::size_t first = 0; first + epoch <= result.losses.size(); first += epoch) {
    double sum = 0, weight = 0;
    for (std::size_t i = first; i < first + epoch; ++i) {
      sum += result.losses[i].sum;
      weight += result.losses[i].weight;
    }
    if (weight == 0) break;  // never begun
    r.epoch_loss.push_back(sum / weight);
  }
  return r;
}

}  // namespace detail

}  // namespace foal
