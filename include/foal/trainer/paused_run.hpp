// A run that stands between two ops: what it needs to go on, taken out and put in.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
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
    require(memory_.whole(),
            "cannot copy a cut in one of several processes, because the others host some of its stages; go on with "
            "resume() in all of them, or train in one process");
    run_cut all;
    fill(all, *paused_);
    return all;
  }
  /// The same between two runs, `of` with its numbers of the one before. What `to` has had is written over.
  void cut_between(run_cut& to, run_state of) {
    usage::working const guard(usage_, "copy a cut");
    require(!paused_ && !failed_, "cannot copy a cut between two runs, because one is ",
            paused_ ? "paused" : "ended by an exception", "; do it when run() has come to its end");
    of.at = {between_runs, 0};
    of.updates = updates_;
    of.cut = phase_state::no_limit;
    of.evaluations_done = evaluations_done_;
    of.copies_made = copies_made_;
    of.losses.clear();
    fill(to, of);
  }
  /// Stands where another engine's run paused: resume() goes on from there; or where it began none: run() does. Throws
  /// foal::error where that is another run, and changes nothing then.
  void restore(run_cut const& from) {
    usage::working const guard(usage_, "restore a cut");
    require(!compares_,
            "cannot restore a cut with .diagnostics, because they compare with weights from before it; "
            "leave them out");
    copy_in(from, memory_, t_, identity_of(t_, v_), copies(from.run));
    updates_ = from.run.updates;
    evaluations_done_ = from.run.evaluations_done;
    copies_made_ = from.run.copies_made;
    failed_ = false;
    paused_.reset();
    if (from.run.at.phase != between_runs) paused_ = from.run;
  }
  /// Begins after `update` updates, `warmup` of which belong to the first phase of two, with arrays of weights, statistics
  /// and states from elsewhere; replicas get the same. What is not given stays as it begins. Needs that nothing has been
  /// trained, and that the arrays have been checked.
  void begin_at(long long update, long long warmup, std::vector<saved_array> const& arrays) {
    usage::working const guard(usage_, "begin after updates");
    require(!paused_ && updates_ == 0, "cannot begin after ", update, " updates, because this trainer has made ",
            updates_.load(), "; make a new one");
    auto const& placed = detail::place_arrays(memory_, t_.phases.back(), {});
    for (saved_array const& from : arrays)
      for (detail::placed_array const& to : placed) {
        auto const own = static_cast<int>(t_.stage_of(static_cast<std::size_t>(to.what.id.unit)));
        if (array_id{own, to.what.id.purpose, to.what.id.entry} != from.id) continue;
        void* const device = memory_.stages()[static_cast<std::size_t>(to.what.id.unit)].device;
        std::vector<std::byte> const& bytes = from.slots.front().bytes;
        t_.device.copy_in(device, to.base, bytes.data(), bytes.size());
        t_.device.synchronise(device);
      }
    long long const first = t_.phases.size() > 1 ? std::min(update, warmup) : 0;
    for (bound_stage& b : memory_.stages())
      b.updates = first * t_.phases.front().reads.updates_of(b.number) +
                  (update - first) * t_.phases.back().reads.updates_of(b.number);
    updates_ = update;
  }

 protected:
  using run_weights::run_weights;
  ~paused_run() = default;

  /// Of a run without evaluations nothing is copied.
  detail::copies_of copies(run_state const& run) const {
    if (evaluator_ == nullptr || run.evaluate_every == 0 || run.at.phase == between_runs) return {};
    return [this](int stage, bool statistics) { return evaluator_->copies(stage, statistics); };
  }

  /// Of the phase that a run is in, or begins.
  long long minibatches_of(run_state const& run) const {
    return (run.at.phase + 1 < static_cast<int>(t_.phases.size()) ? std::min(run.end, run.warmup) : run.end) - updates_;
  }

  /// All of a cut of a run that stands at a place.
  void fill(run_cut& to, run_state const& run) {
    to.of = identity_of(t_, v_);
    to.run = run;
    if (run.at.phase == between_runs) {
      to.update = updates_;
      return copy_out(to, memory_, t_, nullptr, {});
    }
    table::phase_table const& phase = t_.phases[static_cast<std::size_t>(run.at.phase)];
    schedule::program program = phase.program;
    schedule::program_view const view = program.view();
    done_ops const done(phase, view, run.at.key, std::min(minibatches_of(run), run.cut), t_.thick);
    copy_out(to, memory_, t_, &done, copies(run));
    to.update = updates_ + least_version();
  }
  /// Minibatches of the phase at work whose updates every stage has had.
  long long least_version() const {
    constexpr long long none = std::numeric_limits<long long>::max();
    long long least = none;
    for (bound_stage const& b : memory_.stages())
      if (!b.forward_only && !b.input_gradient_only)
        least = std::min(least, b.version / static_cast<long long>(b.versions.updates));
    return least == none ? 0 : least;
  }

  bool compares_ = false;  ///< there are diagnostics, which look at what was before
  bool failed_ = false;
  std::optional<run_state> paused_;  ///< a run that waits for resume()
  std::atomic<long long> evaluations_done_{0}, copies_made_{0};
};

}  // namespace foal::executor
