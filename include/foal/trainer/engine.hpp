// Runs minibatches: phases, evaluations, failures. Works on tables alone; compiled once whatever the models.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <foal/executor/copy_distance.hpp>
#include <foal/executor/drive.hpp>
#include <foal/executor/origin.hpp>
#include <foal/executor/recording_plan.hpp>
#include <foal/executor/stall_guard.hpp>
#include <foal/observe/diagnostics.hpp>
#include <foal/observe/hook.hpp>
#include <foal/trainer/check_request.hpp>
#include <foal/trainer/run_evaluations.hpp>

namespace foal::executor {

class engine : public run_evaluations {
 public:
  /// tables is kept by reference. Throws foal::error when values cannot work; everything is allocated here.
  engine(table::run_tables const& tables, table::run_values const& values, driver by, std::vector<int> worker_of)
      : run_evaluations(tables, values, by, std::move(worker_of)) {
    require(!t_.replica.shards() || (t_.hook.after_update == nullptr && v_.diagnostics.every == 0),
            "cannot look at the updates of replicas that share out their optimizer's states, because none of them makes a "
            "whole one; leave hooks and diagnostics out, or use replica::summed");
    plan_recordings();
    if (t_.hook.after_update != nullptr) {
      hook_ = std::make_unique<hook_probe>(t_, v_.workers, memory_.stages());
      probes_.push_back(hook_.get());
    }
    if (v_.diagnostics.every != 0) {
      diagnostics_ = std::make_unique<diagnostics>(t_, v_, memory_.stages());
      compares_ = true;
      probes_.push_back(diagnostics_.get());
    }
  }

  /// Why none of its runs records periods; empty: they may.
  std::string not_recorded() const {
    bool const some = std::any_of(recordings_.begin(), recordings_.end(), [](auto const& p) { return p.why.empty(); });
    if (some) return {};
    return recordings_.empty() ? executor::not_recorded(t_, v_, memory_.whole()) : recordings_.back().why;
  }
  /// By phase, where periods are to be recorded and no rule is against it; else empty.
  std::vector<recording_plan> const& recordings() const { return recordings_; }

  /// Bytes of the copies that a hook and diagnostics look at.
  std::size_t diagnostics_bytes() const {
    return (hook_ ? hook_->plan().bytes() : 0) + (diagnostics_ ? diagnostics_->bytes() : 0);
  }

  /// Trains for request.minibatches more minibatches; `warmup` of the run's first ones belong to the first phase of two.
  run_result run(run_request const& request, long long warmup) {
    usage::working const guard(usage_, "run");
    require(!paused_,
            "cannot begin to train, because this run is paused and its stages stand at different ops; let it go on "
            "with resume() before");
    return guarded([&] { return train(begun(request, warmup), request, false); });
  }
  /// Goes on with the run() that paused; of the request's minibatches, evaluate_every and loss_every those of that run
  /// count. Samples must be the same.
  run_result resume(run_request const& request) {
    usage::working const guard(usage_, "resume");
    require(paused_.has_value(), "cannot resume, because no run is paused; give run() a .pause, or restore() a cut");
    check_resumed(request, v_, paused_->at);
    return guarded([&] { return train(*paused_, request, true); });
  }

 private:
  /// f(), or a sentence where the memory for lists of ops is not there.
  template <class F>
  run_result guarded(F f) {
    driven_ = false;
    try {
      return f();
    } catch (std::bad_alloc const&) {
      if (driven_) throw;  // by the source, or by a callback
      std::size_t const ops = t_.units() * (3 * static_cast<std::size_t>(v_.microbatches) + 1);
      throw error(sentence("cannot begin to train, because the system has not enough memory left for the lists of ops of ",
                           v_.workers, " workers, about ", ops * sizeof(schedule::op),
                           " bytes; end other programs, or use fewer microbatches"));
    }
  }

  /// The state of a run that begins.
  run_state begun(run_request const& request, long long warmup) const {
    check_request(request, v_, t_.segments);
    run_state run;
    run.begin = updates_ - request.trained_before;
    run.end = updates_ + request.minibatches;
    run.warmup = warmup;
    run.evaluate_every = request.evaluate_every;
    run.evaluations_before = evaluations_done_;
    if (request.evaluate_every > 0) run.evaluations_before -= request.trained_before / request.evaluate_every;
    run.loss_every = request.loss_every;
    run.losses = losses_before(request);
    check_copies(request, warmup);
    return run;
  }
  run_result train(run_state run, run_request const& request, bool resumes) {
    check_traces(request, v_);
    check_losses(request, losses_in_order(t_), resumes);
    require(!failed_,
            "cannot train on, because this run diverged or was ended by an exception, and its stages stand at "
            "different updates; make a new trainer");
    auto const begin = std::chrono::steady_clock::now();
    long long const n = v_.microbatches;
    run_losses losses(run.begin * n, (run.end - run.begin) * n, run.loss_every * n, request.every_loss, run.losses,
                      shares_of(t_), t_.segments);
    long long const before = losses.count();
    run_result result;
    run_teller teller(request, losses);
    end_ = {};
    wished_ = false;
    while (resumes ||
           (updates_ < run.end && !result.diverged && !result.ended && !result.paused && end_.beside == nullptr)) {
      end_.beside = std::exchange(end_, {}).beside;
      run.at.phase = t_.phases.size() > 1 && updates_ < run.warmup ? 0 : static_cast<int>(t_.phases.size()) - 1;
      run_phase(run, request, std::exchange(resumes, false), result, losses, teller);
      if (!result.paused || asked(request, run.at) || wished_ || !request.cuts) continue;
      // Cut for a copy alone; one of a run that ends would not know that it does.
      result.paused = !result.ended && end_.beside == nullptr && !take_cut(run, request.cuts, losses, result.evaluations);
      resumes = !result.paused;
    }
    if (result.paused) {
      run.losses = losses.so_far();
      paused_ = run;
    }
    if (end_.beside != nullptr) std::rethrow_exception(std::exchange(end_.beside, nullptr));
    result.microbatches = losses.count();
    result.losses = losses.take_each();
    long long const added = t_.replicas > 1 && result.ended ? (updates_ - run.begin) * n : result.microbatches;
    if (result.ended || result.paused)
      result.losses.resize(std::min(result.losses.size(), static_cast<std::size_t>(added - before)));
    with_memory("report on this run, which has made its updates", losses.sum_bytes(), [&] {
      result.sums = losses.sums();
      if (!memory_.whole())
        for (bound_stage const& b : memory_.stages())
          if (b.worker >= 0 && t_.is_last(static_cast<std::size_t>(b.unit)))
            result.of_replicas.push_back(losses.of(b.replica));
      if (diagnostics_ && !result.paused) result.diagnostics = diagnostics_->take();
    });
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return result;
  }

  static bool asked(run_request const& request, run_place at) {
    return request.pause && request.pause->phase == at.phase && request.pause->key <= at.key;
  }

  /// A stage keeps one copy for evaluations and one for diagnostics, so all stages must have made copy k before one of them
  /// can make k + 1.
  void check_copies(run_request const& request, long long warmup) const {
    bool const fresh = diagnostics_ != nullptr && diagnostics_->computes_fresh();
    if (request.evaluate_every == 0 && !fresh) return;
    check_distances(request.evaluate_every, fresh ? diagnostics_->every() : 0,
                    least_evaluation_distance(request.minibatches, warmup), t_.phases.back().name);
  }

  /// Runs the phase that a run is in to its end, or to where it is cut.
  void run_phase(run_state& run, run_request const& request, bool resumes, run_result& result, run_losses& losses,
                 run_teller& teller) {
    table::phase_table const& phase = t_.phases[static_cast<std::size_t>(run.at.phase)];
    schedule::program program = phase.program;
    schedule::program_view const view = program.view();
    enter(run, request, phase, view, resumes);
    stage_ops const ops(t_, v_, request.source, memory_.host_targets(), probes_);
    phase_state shared(view);
    shared.tables = &t_;
    shared.ops = &ops;
    shared.serve(memory_, view.global_norm);
    shared.alone = memory_.whole();
    shared.microbatches = v_.microbatches;
    shared.minibatches = minibatches_of(run);
    shared.periods = shared.minibatches + phase.facts.periods_after;
    shared.first_microbatch = updates_ * v_.microbatches;
    shared.losses = &losses;
    shared.most_begun = most_begun(t_, view);
    if (resumes) go_on(run, phase, view, shared);
    if (request.pause && request.pause->phase == run.at.phase) shared.stop_at = request.pause->key;
    place_cut(run, request.cuts, view, shared, resumes);
    shared.watch = request.watch;
    ask_for_copies(run, request, phase, view, shared);
    std::optional<phase_evaluations> evaluations;
    if (run.evaluate_every != 0) evaluations.emplace(*this, run, request, result, teller, shared);
    op_watches const watches(t_.device, memory_.stages(), v_.workers, request.traces, request.ranges,
                             [this](int worker) { return memory_.ordinal(worker); });
    std::vector<worker> workers = make_workers(watches, shared, view);
    std::string why_called;
    if (v_.record != recording::never)
      why_called = let_record(request, static_cast<std::size_t>(run.at.phase), workers.front());
    bool calls = true, cuts = static_cast<bool>(request.cuts.wanted);  // until one throws; until one is on its way
    long long const before = shared.first_microbatch - run.begin * v_.microbatches;
    auto const serve = [&] {
      if (evaluations) evaluations->serve();
      std::optional<whereabouts::beside> away;
      if (cuts || (calls && teller.asked())) away.emplace(shared.where);
      if (cuts && request.cuts.wanted()) cuts = !shared.stop_soon();
      if (calls && teller.asked()) try {
          teller.sums();
          teller.progress(before + shared.progress(), ops);
          if (request.pauses && request.pauses()) wished_ = wished_ || shared.alone, shared.pause_soon();
        } catch (...) {
          calls = false;
          if (end_.beside == nullptr) end_.beside = std::current_exception();
          shared.end_soon();
        }
    };
    std::optional<stall_guard> guard;
    if (request.stall_seconds > 0)
      guard.emplace(shared, std::span<worker const>(workers.data(), workers.size()), request.stall_seconds);
    driven_ = true;
    paused_.reset();
    try {
      driver_.drive(
          {workers.data(), workers.size()},
          service(serve, v_.pin, request.disturb,
                  {memory_, view, shared, end_, evaluations ? &*evaluations : nullptr, guard ? &*guard : nullptr}));
      if (std::string const why = guard ? guard->end() : ""; !why.empty()) throw error(why);
    } catch (...) {
      for (worker const& w : workers) failed_ = failed_ || w.moved();
      throw;
    }
    memory_.queues().synchronise();
    watches.hear();
    if (recorded_periods const* const r = workers.front().recorded()) {
      result.periods += r->counts();
      why_called = r->failure();
    }
    if (result.not_recorded.empty()) result.not_recorded = std::move(why_called);
    wished_ = wished_ || shared.pauses_by_wish;
    if (!end_.common) end_.add(workers, memory_.stages());
    if (!end_.common && end_.failure) end_.failure->from = origin_of(end_, memory_, t_);
    finish(run, shared, result);
  }

  /// The stages' part in a phase that begins, or that goes on after a pause.
  void enter(run_state const& run, run_request const& request, table::phase_table const& phase, schedule::program_view view,
             bool resumes) {
    resumes ? memory_.forget_forms() : memory_.reset_phase(phase);
    bool const last = run.at.phase + 1 == static_cast<int>(t_.phases.size());
    for (bound_stage& b : memory_.stages()) {
      b.weighed = b.window_of = b.targets_of = -1;
      b.asynchronous = last && phase.delayed;
      b.phase_updates = t_.phases.size() > 1 ? run.warmup * t_.phases[0].reads.updates_of(b.number) : 0;
    }
    prepare_evaluations(run.evaluate_every, view);
    if (!diagnostics_) return;
    if (resumes) return diagnostics_->resume_phase(request.source);
    diagnostics_->begin_phase(memory_.stages(), request.source, minibatches_of(run));
  }
  /// What the workers share, as it was when the run paused.
  void go_on(run_state const& run, table::phase_table const& phase, schedule::program_view view, phase_state& shared) const {
    shared.from_key = run.at.key;
    shared.cut = run.cut;
    done_ops const done(phase, view, run.at.key, shared.through(), t_.thick);
    for (std::size_t u = 0; u < t_.units(); ++u) {
      long long const entered = done.after_last({slot_end::op::forward, static_cast<int>(u)}),
                      n = phase.facts.stage[u].share;
      if (t_.is_first(u)) shared.begin((entered + n - 1) / n);
      if (static_cast<int>(t_.stage_of(u)) == shared.last_hosted) shared.microbatches_done += entered;
    }
  }
  std::vector<worker> make_workers(op_watches const& watches, phase_state& shared, schedule::program_view view) const {
    std::vector<worker> workers;
    workers.reserve(static_cast<std::size_t>(v_.workers));
    for (int w = 0; w < v_.workers; ++w) {
      std::vector<int> ranks;
      for (int r = 0; r < view.size.ranks; ++r)
        if (memory_.worker_of_rank(r) == w) ranks.push_back(r);
      workers.emplace_back(shared, view, ranks, w);
      workers.back().watch(watches.of(w));
    }
    return workers;
  }

  /// Numbers are there from the beginning, so what keeps a phase from being recorded is said then.
  void plan_recordings() {
    if (v_.record == recording::never) return;
    std::string why = not_recorded();
    for (std::size_t i = 0; why.empty() && i < t_.phases.size(); ++i)
      recordings_.push_back(plan_recording(t_, v_, memory_, t_.phases[i]));
    if (v_.record != recording::always) return;
    for (recording_plan const& p : recordings_) why = why.empty() ? p.why : why;
    if (!why.empty()) refuse_to_record(why);
  }
  /// Lets a phase's one worker record its periods, or gives why it cannot.
  std::string let_record(run_request const& request, std::size_t phase, worker& to) {
    bool const must = v_.record == recording::always;
    std::string why = recordings_.empty() ? not_recorded() : recordings_[phase].why;
    if (why.empty()) why = executor::not_recorded(request);
    if (why.empty()) try {
        to.record(memory_, static_cast<int>(recordings_[phase].recordings), memory_.ordinal(0), must);
      } catch (error const& e) {  // no memory is left for places
        why = e.what();
      }
    if (must && !why.empty()) refuse_to_record(why);
    return why;
  }
  [[noreturn]] static void refuse_to_record(std::string const& why) {
    throw error(sentence("cannot record the periods of this run, because ", why,
                         "; give .record = foal::recording::where_possible, which calls what cannot be recorded"));
  }

  /// Throws what an op has thrown.
  void finish(run_state& run, phase_state const& shared, run_result& result) {
    if (end_.failed_key == phase_end::none) {
      if (end_.through) {
        updates_ += shared.through();
        return;
      }
      result.paused = true;
      reached_ = updates_ + (end_.updates == phase_end::none ? 0 : end_.updates);
      run.at.key = shared.stop_at;
      run.cut = shared.cut;
      run.updates = updates_;
      run.evaluations_done = evaluations_done_;
      run.copies_made = copies_made_;
      return;
    }
    failed_ = !t_.phases.back().inference;  // which leaves nothing behind
    if (failed_ && end_.updates != phase_end::none) updates_ += end_.updates;
    if (end_.exception) std::rethrow_exception(end_.exception);
    result.diverged = end_.failure;
  }

  std::unique_ptr<hook_probe> hook_;
  std::unique_ptr<diagnostics> diagnostics_;
  probes probes_;
  std::vector<recording_plan> recordings_;
  bool driven_ = false;  ///< the run at work has begun
  bool wished_ = false;  ///< a pause, by request.pauses
};

}  // namespace foal::executor
