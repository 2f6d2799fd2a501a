// A run that stands between two ops: what it needs to go on, taken out and put in.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <foal/executor/copy_distance.hpp>
#include <foal/executor/cut.hpp>
#include <foal/executor/phase_end.hpp>
#include <foal/trainer/run_request.hpp>
#include <foal/trainer/run_weights.hpp>

namespace foal::executor {

class paused_run : public run_weights {
 public:
  bool paused() const { return paused_.has_value(); }
  /// Whether diagnostics look at what was before: such a run cannot go on from a cut.
  bool compares() const { return compares_; }

  /// What a paused run needs to go on, here or in another engine of the same tables with any number of workers. Of several
  /// processes each gives its share: executor::join() makes them one.
  run_cut cut() {
    usage::working const guard(usage_, "copy a cut");
    require(paused_.has_value(), "cannot copy a cut, because no run is paused; give run() a .pause");
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
  /// foal::error where that is another run, and changes nothing then. Of several processes all do, each with a cut that has
  /// what it hosts.
  void restore(run_cut const& from) {
    usage::working const guard(usage_, "restore a cut");
    require(!compares_,
            "cannot restore a cut with .diagnostics, because they compare with weights from before it; "
            "leave them out");
    copy_in(from, memory_, t_, identity_of(t_, v_), copies(from.run));
    updates_ = from.run.updates;
    reached_ = from.update;
    evaluations_done_ = from.run.evaluations_done;
    copies_made_ = 0;  // by stages that are hosted here
    for (bound_stage const& b : memory_.stages())
      if (b.worker >= 0) copies_made_ += b.evaluations_copied;
    failed_ = false;
    paused_.reset();
    if (from.run.at.phase != between_runs) paused_ = from.run;
  }
  /// Whether a run that has been cut leaves the same when it ends after other updates: it has done no op behind its end.
  bool may_end_at(run_state const& run, long long end) const {
    if (run.at.phase == between_runs) return false;
    schedule::program program = t_.phases[static_cast<std::size_t>(run.at.phase)].program;
    long long const per_period = op_order(program.view()).keys_of_period();
    auto const of_phase = [&](long long all) {
      return (run.at.phase + 1 < static_cast<int>(t_.phases.size()) ? std::min(all, run.warmup) : all) - run.updates;
    };
    return run.cut >= of_phase(run.end) &&
           (run.at.key + per_period - 1) / per_period <= std::min(of_phase(run.end), of_phase(end));
  }
  /// Begins after `update` updates, `warmup` of which belong to the first phase of two, with arrays of weights, statistics
  /// and states from elsewhere; replicas get the same. States that are not given begin anew. Needs that the arrays have been
  /// checked.
  void begin_at(long long update, long long warmup, std::vector<saved_array> const& arrays) {
    usage::working const guard(usage_, "begin after updates");
    require(!paused_ && updates_ <= update, "cannot begin after ", update, " updates, because this trainer has made ",
            updates_.load(), "; make a new one");
    auto const& placed = detail::place_arrays(memory_, t_, t_.phases.back(), {});
    for (detail::placed_array const& to : placed)
      if (to.what.id.purpose == array_purpose::optimizer_state || to.what.id.purpose == array_purpose::delay_state ||
          to.what.id.purpose == array_purpose::error || to.what.id.purpose == array_purpose::reference)
        detail::for_each_piece(to, to.base, to.what.bytes, [&](int unit, std::byte* place, std::size_t, std::size_t bytes) {
          t_.device.zero(memory_.stages()[static_cast<std::size_t>(unit)].device, place, bytes);
        });
    for (saved_array const& from : arrays)
      for (detail::placed_array const& to : placed) {
        auto const own = static_cast<int>(t_.stage_of(static_cast<std::size_t>(to.what.id.unit)));
        if (array_id{own, to.what.id.purpose, to.what.id.entry} != from.id) continue;
        detail::copy_in_pieces(to, to.base, from, from.slots.front(), memory_, t_);
      }
    long long const first = t_.phases.size() > 1 ? std::min(update, warmup) : 0;
    for (bound_stage& b : memory_.stages()) {
      if (t_.replica.of_weights() && b.results.base != nullptr)  // what replicas with weights of their own are drawn to
        t_.device.copy(b.device, b.results.base, b.w, bytes_of(t_.types.weights, b.table->trained_elements));
      b.updates = first * t_.phases.front().reads.updates_of(b.number) +
                  (update - first) * t_.phases.back().reads.updates_of(b.number);
    }
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
    to.update = reached_;
  }

  /// Where the phase at work is cut next by the count of updates. resumes: it has been cut.
  void place_cut(run_state const& run, run_cuts const& cuts, schedule::program_view v, phase_state& shared,
                 bool resumes) const {
    if (!cuts || cuts.every <= 0) return;
    long long const had = resumes ? reached_ : updates_.load();
    bool const begins = !resumes && had % cuts.every == 0 && had > run.begin;  // the second of two phases
    long long const next = begins ? had : (had / cuts.every + 1) * cuts.every;
    long long late = 0;  // periods after a minibatch's own in which the last stage has its update
    for (schedule::op const& o : v.ops)
      if (o.kind == schedule::op_kind::U)
        late = std::max<long long>(late, -schedule::floor_div(o.microbatch, v.size.microbatches));
    long long const period = next - updates_ + late;
    if (next - updates_ < shared.through() && period < shared.periods) shared.stop(period * shared.keys_of_period());
  }
  /// Copies a run that stands at a place, and gives whether it goes on.
  bool take_cut(run_state& run, run_cuts const& cuts, run_losses const& losses,
                std::vector<evaluation_result> const& found) {
    run_cut* const to = cuts.room(reached_);
    if (to == nullptr) return true;
    run.losses = losses.so_far();
    fill(*to, run);
    std::vector<loss::loss_result> sums;
    for (long long i = 0; i < losses.complete(); ++i) sums.push_back(losses.sum(i));
    return cuts.taken(sums, found, losses.count()) == training::goes_on;
  }
  /// Losses of a call that has trained before, which nobody knows any more.
  std::vector<losses_so_far> losses_before(run_request const& request) const {
    std::vector<losses_so_far> all;
    long long const each = request.loss_every, before = request.trained_before;
    if (before == 0) return all;
    for (int const share : shares_of(t_)) {
      losses_so_far& one = all.emplace_back();
      one.count = before * share;
      one.complete = each > 0 ? before / each : 0;
      if (long long const rest = before - one.complete * each; rest > 0) one.open.push_back({{}, rest * share});
    }
    return all;
  }

  bool compares_ = false;  ///< there are diagnostics, which look at what was before
  bool failed_ = false;
  std::optional<run_state> paused_;  ///< a run that waits for resume()
  long long reached_ = 0;            ///< updates that every stage, of all processes, has had where it stands
  std::atomic<long long> evaluations_done_{0}, copies_made_{0};
};

}  // namespace foal::executor
