// A run that stands between two ops: what it needs to go on, taken out and put in.
#pragma once

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include <foal/executor/cut.hpp>
#include <foal/trainer/run_weights.hpp>

namespace foal::executor {

class paused_run : public run_weights {
 public:
  bool paused() const { return paused_.has_value(); }

  /// What a paused run needs to go on, here or in another engine of the same tables with any number of workers.
  run_cut cut() {
    usage::working const guard(usage_, "copy a cut");
    require(paused_.has_value(), "cannot copy a cut, because no run is paused; give run() a .pause");
    run_cut all{.of = identity_of(t_, v_), .run = *paused_};
    table::phase_table const& phase = t_.phases[static_cast<std::size_t>(all.run.at.phase)];
    schedule::program program = phase.program;
    schedule::program_view const view = program.view();
    long long const through = std::min(minibatches_of(all.run), all.run.cut);
    copy_out(all, memory_, t_, done_ops(phase, view, all.run.at.key, through, t_.thick), copies());
    return all;
  }
  /// Stands where another engine's run paused: resume() goes on from there. Throws foal::error where that is another run,
  /// and changes nothing then.
  void restore(run_cut const& from) {
    usage::working const guard(usage_, "restore a cut");
    require(!compares_,
            "cannot restore a cut with .diagnostics, because they compare with weights from before it; "
            "leave them out");
    copy_in(from, memory_, t_, identity_of(t_, v_), copies());
    updates_ = from.run.updates;
    evaluations_done_ = from.run.evaluations_done;
    copies_made_ = from.run.copies_made;
    failed_ = false;
    paused_ = from.run;
  }

 protected:
  using run_weights::run_weights;
  ~paused_run() = default;

  detail::copies_of copies() const {
    if (evaluator_ == nullptr) return {};
    return [this](int stage, bool statistics) { return evaluator_->copies(stage, statistics); };
  }

  /// Of the phase that a run is in, or begins.
  long long minibatches_of(run_state const& run) const {
    return (run.at.phase + 1 < static_cast<int>(t_.phases.size()) ? std::min(run.end, run.warmup) : run.end) - updates_;
  }

  bool compares_ = false;  ///< there are diagnostics, which look at what was before
  bool failed_ = false;
  std::optional<run_state> paused_;  ///< a run that waits for resume()
  std::atomic<long long> evaluations_done_{0}, copies_made_{0};
};

}  // namespace foal::executor
