// What a fit tells while it runs: its progress, a line of metrics an epoch, and what went wrong beside the training.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <foal/report/progress.hpp>
#include <foal/trainer/epoch_log.hpp>
#include <foal/trainer/fit_report.hpp>
#include <foal/trainer/run_request.hpp>

namespace foal::detail {

/// Of one fit, on its calling thread.
class fit_teller {
 public:
  /// logs, metrics, append: see epoch_log. Throws foal::error where the metrics cannot be written.
  fit_teller(std::vector<std::string>& logs, std::string const& metrics, bool append, fit_facts const& facts,
             int microbatch_size, report::progress_options const& how)
      : facts_(facts),
        microbatch_size_(microbatch_size),
        progress_(facts.samples * facts.most, how, facts.trained),
        log_(logs, metrics, append, facts) {}
  fit_teller(fit_teller const&) = delete;
  fit_teller& operator=(fit_teller const&) = delete;

  /// A sentence for the progress and for the report.
  void note(std::string text) {
    progress_.line(text);
    notes_.push_back(std::move(text));
  }

  /// Puts itself before the callbacks of the user's hooks, which the request then calls.
  void listen(executor::run_request& request, executor::run_request const& hooks) {
    request.evaluated = hooks.evaluated.after([this](evaluation_result const& r) { evaluated(r); });
    request.summed = [this, then = hooks.summed](long long epoch, loss::loss_result const& sum) {
      summed(epoch, sum);
      if (then) then(epoch, sum);
    };
    request.tick = [this, then = hooks.tick](long long microbatches) {
      if (microbatches != done_) waiting_.clear();
      done_ = microbatches;
      show(false);
      if (then) then(microbatches);
    };
    request.waits = [this, then = hooks.waits](std::string const& what, double seconds) {
      waiting_ = "waiting for " + what + (seconds > 0 ? sentence(" (", static_cast<long long>(seconds), " s)") : "");
      show(seconds == 0);
      if (then) then(what, seconds);
    };
  }

  /// Gives the report with all notes in it.
  fit_report finish(fit_report report) {
    log_.finish(report.diagnostics);
    say_fault();
    for (std::string const& text : report.notes) progress_.line(text);
    report.notes.insert(report.notes.begin(), notes_.begin(), notes_.end());
    if (report.diverged) progress_.line(report.diverged->text());
    progress_.finish(state_);
    return report;
  }

 private:
  void evaluated(evaluation_result const& r) {
    waiting_.clear();
    if (!r.fault.empty()) progress_.line(r.fault);
    state_ = sentence("epoch ", r.update / facts_.per_epoch, "  test loss ", r.loss);
    if (facts_.tables->loss.has_accuracy) state_ += sentence("  accuracy ", 100 * r.accuracy, " %");
    log_.evaluated(r);
    say_fault();
  }

  void summed(long long epoch, loss::loss_result const& sum) {
    if (facts_.evaluate_every == 0)
      state_ = sentence("epoch ", facts_.epochs + epoch + 1, "  training loss ", sum.sum / sum.weight);
    log_.ended(epoch, sum);
    say_fault();
  }

  /// A full disk is not the training's affair.
  void say_fault() {
    if (std::string fault = log_.take_fault(); !fault.empty()) note(std::move(fault));
  }

  void show(bool at_once) {
    std::string const between = state_.empty() || waiting_.empty() ? "" : "  ";
    progress_.update(done_ * microbatch_size_, state_ + between + waiting_, at_once);
  }

  fit_facts facts_;
  int microbatch_size_;
  report::progress progress_;
  epoch_log log_;
  std::vector<std::string> notes_;
  std::string state_, waiting_;  ///< what the last epoch has shown; what nothing comes of at present
  long long done_ = 0;           ///< microbatches
};

}  // namespace foal::detail
