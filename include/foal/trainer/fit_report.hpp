// What a fit gives back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <foal/observe/fit_history.hpp>
#include <foal/trainer/engine.hpp>

namespace foal {

using evaluation_result = executor::evaluation_result;
using divergence = executor::divergence;

/// What a fit gives back.
struct fit_report {
  /// Mean training loss of each epoch over the targets that count, as the forwards saw it; NaN where none counts. The last
  /// one's of what was trained of it.
  std::vector<double> epoch_loss{};
  /// One after each epoch, where there is something to evaluate on; fewer where epochs are shorter than the stages are
  /// apart. The last one is of the weights that the fit leaves behind.
  std::vector<evaluation_result> evaluations{};
  std::vector<table::diagnostic> diagnostics{};  ///< where config.diagnostics asks for them: by update, then by stage
  std::optional<divergence> diverged{};
  bool ended = false;  ///< by a callback of an evaluation
  /// The signal that ended it behind a checkpoint (foal::interruption), before all was trained; 0: none has.
  int interrupted = 0;
  /// A sentence for each epoch without a loss, for fewer evaluations and for metrics that could not be written; evaluations
  /// have theirs in .fault.
  std::vector<std::string> notes{};
  long long updates = 0;  ///< of the trainer, that every stage has had
  double seconds = 0, samples_per_second = 0;

  /// Of the last evaluation; 0 where there is none, NaN where the loss has no accuracy (a regression).
  double accuracy() const { return evaluations.empty() ? 0 : evaluations.back().accuracy; }
};

namespace detail {

/// Why a fit does not evaluate after every epoch.
inline std::string thinned_note(std::string const& schedule, long long least, long long per_epoch, long long epochs) {
  return sentence("evaluating after every ", epochs, " epochs and at the end, because an epoch is ", per_epoch,
                  " updates, the stages of ", schedule, " are up to ", least - 1,
                  " apart, and each keeps one copy of its weights for evaluations");
}

/// Puts what a fit had told before a checkpoint in front.
inline void go_on_from(fit_history const& told, executor::run_result& result) {
  result.sums.insert(result.sums.begin(), told.epochs.begin(), told.epochs.end());
  result.evaluations.insert(result.evaluations.begin(), told.evaluations.begin(), told.evaluations.end());
  result.seconds += told.seconds;
  result.ended = result.ended || told.ended;
}

/// The report of a run whose sums of losses are those of epochs; the trainer has made `updates` in all.
inline fit_report report_of(executor::run_result const& result, long long updates, int microbatch_size) {
  fit_report r;
  r.evaluations = result.evaluations;
  r.diverged = result.diverged;
  r.diagnostics = result.diagnostics;
  r.updates = updates;
  r.seconds = result.seconds;
  r.ended = result.ended;
  long long const trained = result.microbatches * microbatch_size;  // after a divergence not all that were asked for
  if (result.seconds > 0) r.samples_per_second = static_cast<double>(trained) / result.seconds;
  for (auto const& epoch : result.sums) {
    r.epoch_loss.push_back(epoch.weight > 0 ? epoch.sum / epoch.weight : std::numeric_limits<double>::quiet_NaN());
    if (!(epoch.weight > 0))
      r.notes.push_back(sentence("cannot give a training loss of epoch ", r.epoch_loss.size(), ", because none of its ",
                                 "targets counts; give some that the loss does not ignore"));
  }
  return r;
}

}  // namespace detail

}  // namespace foal
