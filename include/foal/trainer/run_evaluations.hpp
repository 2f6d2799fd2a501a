// The evaluations of a run: while it trains, and between its calls.
#pragma once

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include <foal/executor/copy_distance.hpp>
#include <foal/executor/drive.hpp>
#include <foal/executor/phase_end.hpp>
#include <foal/observe/evaluator_rounds.hpp>
#include <foal/trainer/paused_run.hpp>
#include <foal/trainer/run_request.hpp>
#include <foal/trainer/run_teller.hpp>

namespace foal::executor {

class run_evaluations : public paused_run {
 public:
  /// Updates between evaluations of a run of so many minibatches, at least.
  long long least_evaluation_distance(long long minibatches, long long warmup) const {
    if (updates_ + minibatches <= std::max<long long>(updates_, t_.phases.size() > 1 ? warmup : 0)) return 1;
    return distance(t_.phases.back(), schedule::program(t_.phases.back().program).view()).least;
  }

  /// Evaluates the weights as they are, or one of the optimizer's states in their place. Not while run() is at work. Of
  /// several processes all call it.
  evaluation_result evaluate(table::evaluation_source const& source, int state = -1) {
    usage::working const guard(usage_, "evaluate");
    flushed_denormals const flushed;  // as evaluations during a run
    require(!paused_,
            "cannot evaluate, because this run is paused and its stages stand at different updates; resume it, and "
            "evaluate when it is done");
    require(evaluator_ != nullptr, "cannot evaluate, because the run was made with .evaluation = false; make it with true");
    if (state >= 0) check_average();
    for (std::size_t s = 0; s < t_.stages.size(); ++s)
      if (bound_stage const& b = memory_.stages()[s]; b.worker >= 0) evaluator_->copy(b, state);
    evaluation_result const result = memory_.whole() ? evaluator_->run(source, updates_) : evaluate_together(source);
    if (!evaluator_->misfit().empty()) throw error(evaluator_->misfit());
    return result;
  }

 protected:
  run_evaluations(table::run_tables const& tables, table::run_values const& values, driver by, std::vector<int> worker_of)
      : paused_run(tables, values, std::move(worker_of)), driver_(by) {}
  ~run_evaluations() = default;

  copy_distance distance(table::phase_table const& phase, schedule::program_view view) const {
    return distance_of_copies(view, [&](int stage, int position) { return copies_then(phase, view, stage, position); });
  }

  /// Minibatches may enter the pipeline as long as it is open where the next evaluation, if it ends the run, cuts it off: at
  /// once where the callback can say so, else, for what throws, one evaluation later, where no stage has been anyway.
  void admit(run_state const& run, run_request const& request, phase_state& shared) const {
    if (run.evaluate_every == 0) return;
    long long const next = evaluations_of(run) + (request.evaluated.can_end() ? 1 : 2);
    long long const minibatches =
        run.begin - shared.first_microbatch / v_.microbatches + next * run.evaluate_every + after_update_;
    shared.admitted = std::max(minibatches, 0LL) * v_.microbatches;
  }

  /// Stages in which nothing changes are copied here.
  void prepare_evaluations(long long every, schedule::program_view view) {
    changing_stages_ = 0;
    for (bound_stage& b : memory_.stages()) {
      b.copied_by_forward = b.replica == 0 && copied_by_forward(t_, view, b.number);
      if (b.replica != 0 || b.worker < 0) continue;
      if (b.copied_by_forward || view.wanted(b.number) == schedule::gradients::both)
        ++changing_stages_;
      else if (every != 0)
        evaluator_->copy(b);
    }
  }

  /// What the workers of a phase have to do for the evaluations of a run, which begins it or goes on with it.
  void ask_for_copies(run_state const& run, run_request const& request, table::phase_table const& phase,
                      schedule::program_view view, phase_state& shared) {
    after_update_ = distance(phase, view).after;
    last_copy_ = last_copy_key(view, [&](int stage, int position) { return copies_then(phase, view, stage, position); });
    admit(run, request, shared);
    shared.evaluate_every = run.evaluate_every;
    shared.evaluate_from = run.begin;
    shared.copy_for_evaluation = [](void* self, bound_stage& b, long long) {
      static_cast<run_evaluations*>(self)->evaluator_->copy(b);
    };
    shared.evaluation_self = this;
    shared.evaluations_done = &evaluations_done_;
    shared.copies_made = &copies_made_;
  }

  /// The evaluations of a phase of a run, as its parts see them. Keeps references.
  class phase_evaluations : public evaluator_rounds {
   public:
    phase_evaluations(run_evaluations& of, run_state const& run, run_request const& request, run_result& result,
                      run_teller& teller, phase_state& shared)
        : evaluator_rounds(*of.evaluator_, request.evaluation),
          of_(of),
          run_(run),
          request_(request),
          result_(result),
          teller_(teller),
          shared_(shared),
          most_(std::max(0LL, within(shared.minibatches) - of.evaluations_of(run))) {}

    /// All that can be done in one process; in one of several, whose executor brings evaluations on, what a run that has
    /// been ended by its callback still copies. The copies stay as they are until the callback has come back.
    void serve() {
      while (copied()) {
        if (!shared_.alone && !(result_.ended && of_.evaluations_of(run_) < in_phase())) return;
        bool goes_on = true;
        whereabouts::beside const away(shared_.where);
        if (!result_.ended && of_.end_.beside == nullptr) try {
            begins();
            goes_on = heard(evaluated(), true);
          } catch (...) {
            of_.end_.beside = std::current_exception();
            cut();
          }
        over(!goes_on);
      }
    }

    long long most() const override { return most_; }
    bool due() const override { return !result_.ended && of_.evaluations_of(run_) < in_phase(); }
    bool copied() const override {
      return of_.copies_made_.load() >= (of_.evaluations_done_.load() + 1) * of_.changing_stages_;
    }
    long long update() const override { return run_.begin + (of_.evaluations_of(run_) + 1) * run_.evaluate_every; }
    void begins() override {
      evaluator_rounds::begins();
      beside([&] {
        teller_.sums();
        teller_.evaluation(update());
      });
    }
    bool heard(evaluation_result const& r, bool asked) override {
      result_.evaluations.push_back(r);
      teller_.evaluated();
      bool goes_on = true;
      if (asked)
        beside([&] {
          usage::answering const now(of_.usage_, r.update);
          goes_on = request_.evaluated(r) == training::goes_on;
        });
      return goes_on;
    }
    bool well() const override { return of_.end_.beside == nullptr; }
    void over(bool ends) override {
      if (ends) {
        result_.ended = true;
        cut();
      }
      of_.evaluations_done_.fetch_add(1);
      of_.admit(run_, request_, shared_);
      shared_.ring();
    }

   private:
    /// What is called beside the training: of several processes one that throws does not keep the others waiting.
    template <class F>
    void beside(F f) {
      if (shared_.alone) return f();
      if (of_.end_.beside != nullptr) return;
      try {
        f();
      } catch (...) {
        of_.end_.beside = std::current_exception();
        shared_.end_soon();
      }
    }
    void cut() { shared_.cut_after(shared_.admitted.load() / of_.v_.microbatches); }
    /// Evaluations of the run up to so many minibatches of the phase.
    long long within(long long minibatches) const {
      long long const updates = shared_.first_microbatch / of_.v_.microbatches + minibatches - run_.begin;
      return std::max(0LL, updates) / run_.evaluate_every;
    }
    /// Those for which all processes copy all stages before the phase ends or pauses.
    long long in_phase() const {
      long long minibatches = shared_.through();
      long long const key = shared_.stop_at.load();
      if (auto const& last = of_.last_copy_; last && key != phase_state::no_limit)
        minibatches = std::min(minibatches, key <= *last ? 0 : (key - 1 - *last) / shared_.keys_of_period() + 1);
      return within(minibatches);
    }

    run_evaluations& of_;
    run_state const& run_;
    run_request const& request_;
    run_result& result_;
    run_teller& teller_;
    phase_state& shared_;
    long long most_;
  };

  /// Which of a run it is at.
  long long evaluations_of(run_state const& run) const { return evaluations_done_.load() - run.evaluations_before; }

  driver driver_;
  phase_end end_;  ///< of the phase that is at work or was last; between phases what a callback has thrown
  long long changing_stages_ = 1;

 private:
  /// The evaluation of the weights as they are.
  struct one_evaluation : evaluator_rounds {
    one_evaluation(evaluator& copies, table::evaluation_source const& samples, long long updates)
        : evaluator_rounds(copies, samples), of(updates) {}

    long long most() const override { return 1; }
    bool due() const override { return !done; }
    bool copied() const override { return true; }
    long long update() const override { return of; }
    bool heard(evaluation_result const& r, bool) override {
      result = r;
      return true;
    }
    void over(bool) override { done = true; }

    long long of;
    bool done = false;
    evaluation_result result;
  };

  /// By all processes, none of which has all stages.
  evaluation_result evaluate_together(table::evaluation_source const& source) {
    schedule::program program = t_.phases.back().program;
    one_evaluation one(*evaluator_, source, updates_);
    phase_state shared(program.view());
    shared.tables = &t_;
    shared.serve(memory_, false);
    shared.alone = false;
    phase_end end;
    auto const nothing = [] {};
    driver_.drive({}, service(nothing, false, {}, {memory_, program.view(), shared, end, &one}));
    require(one.done,
            "cannot evaluate in several processes, because the executor does not bring evaluations on; have it do that with "
            "foal::executor::shared_evaluation");
    return one.result;
  }

  /// A stage without U whose statistics move is copied by the F of a minibatch's last microbatch.
  bool copies_then(table::phase_table const& phase, schedule::program_view view, int stage, int position) const {
    return copied_by_forward(t_, view, stage) && position == phase.facts.stage[static_cast<std::size_t>(stage)].last_forward;
  }

  long long after_update_ = 0;          ///< of the phase at work: copy_distance::after
  std::optional<long long> last_copy_;  ///< the same: last_copy_key()
};

}  // namespace foal::executor
