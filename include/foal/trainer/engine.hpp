// Runs minibatches: phases, evaluations, failures. Works on tables alone; compiled once whatever the models.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <vector>

#include <foal/executor/copy_distance.hpp>
#include <foal/observe/diagnostics.hpp>
#include <foal/observe/hook.hpp>
#include <foal/trainer/run_teller.hpp>
#include <foal/trainer/usage.hpp>

namespace foal::executor {

class engine {
 public:
  /// tables is kept by reference. Throws foal::error when values cannot work; everything is allocated here.
  engine(table::run_tables const& tables, table::run_values values, bool threaded, std::vector<int> worker_of)
      : t_(tables), v_(values), threaded_(threaded), memory_(tables, v_, std::move(worker_of)) {
    if (v_.evaluation) evaluator_ = std::make_unique<evaluator>(t_, v_);
    if (t_.hook.after_update != nullptr) {
      hook_ = std::make_unique<hook_probe>(t_, v_.workers, memory_.stages());
      hook_->divide_by(v_.microbatches);
      probes_.push_back(hook_.get());
    }
    if (v_.diagnostics.every != 0) {
      diagnostics_ = std::make_unique<diagnostics>(t_, v_);
      probes_.push_back(diagnostics_.get());
    }
    initialise();
  }
  engine(engine const&) = delete;
  engine& operator=(engine const&) = delete;

  run_memory const& memory() const { return memory_; }
  evaluator const* evaluation() const { return evaluator_.get(); }
  table::run_values const& values() const { return v_; }
  /// Bytes of the copies that a hook and diagnostics look at.
  std::size_t diagnostics_bytes() const {
    return (hook_ ? hook_->plan().bytes() : 0) + (diagnostics_ ? diagnostics_->bytes() : 0);
  }
  /// That every stage has had, before the run at work; in a callback of an evaluation, those of what was evaluated.
  long long updates() const { return usage_.answers() ? usage_.update() : updates_.load(); }
  std::vector<bound_stage> const& stages() const { return memory_.stages(); }

  /// Trains for request.minibatches more minibatches; `warmup` of the run's first ones belong to the first phase of two.
  run_result run(run_request const& request, long long warmup) {
    usage::working const guard(usage_, "run");
    driven_ = false;
    try {
      return train(request, warmup);
    } catch (std::bad_alloc const&) {
      if (driven_) throw;  // by the source, or by a callback
      std::size_t const ops = t_.stages.size() * (3 * static_cast<std::size_t>(v_.microbatches) + 1);
      throw error(sentence("cannot begin to train, because the system has not enough memory left for the lists of ops of ",
                           v_.workers, " workers, about ", ops * sizeof(schedule::op),
                           " bytes; end other programs, or use fewer microbatches"));
    }
  }

  /// Updates between evaluations of a run of so many minibatches, at least.
  long long least_evaluation_distance(long long minibatches, long long warmup) const {
    if (updates_ + minibatches <= std::max<long long>(updates_, t_.phases.size() > 1 ? warmup : 0)) return 1;
    schedule::program program = t_.phases.back().program;
    return distance(t_.phases.back(), program.view()).least;
  }

  /// Evaluates the weights as they are, or one of the optimizer's states in their place. Not while run() is at work.
  evaluation_result evaluate(table::evaluation_source const& source, int state = -1) {
    usage::working const guard(usage_, "evaluate");
    flushed_denormals const flushed;  // as evaluations during a run
    require(evaluator_ != nullptr, "cannot evaluate, because the run was made with .evaluation = false; make it with true");
    if (state >= 0) check_average();
    for (bound_stage& b : memory_.stages()) evaluator_->copy(b, state);
    evaluation_result const result = evaluator_->run(source, updates_);
    if (!evaluator_->misfit().empty()) throw error(evaluator_->misfit());
    return result;
  }

  /// A parameter (or buffer) of a stage. Throws foal::error where there is none.
  table::parameter_row const& row(int stage, std::size_t which, bool buffer = false) const {
    return row_of(t_, stage, which, buffer);
  }

  /// Copies one parameter (or buffer) to host memory of size elements of its type; a tied one is its home's. In a callback
  /// of an evaluation, on its thread, as it was evaluated; not while run() is at work otherwise.
  void read(int stage, table::parameter_row const& p, void* to, bool buffer = false) const {
    place const at = place_of(stage, p, p.type);
    if (usage_.answers()) return evaluator_->read(at.stage->number, buffer, at.offset, at.bytes, to);
    usage::reading const guard(usage_, "read weights");
    t_.device.copy_out(at.stage->device, to, (buffer ? at.stage->buffers : at.stage->w) + at.offset, at.bytes);
  }
  /// Copies one of the optimizer's states of a parameter that is trained: the average, which needs an update.
  void read_average(int stage, table::parameter_row const& p, int state, void* to) const {
    require(!usage_.answers(),
            "cannot read averaged weights now, because this trainer is at work and an evaluation has a copy of the weights "
            "alone; do it when the fit is done, or read the weights that were evaluated");
    usage::reading const guard(usage_, "read averaged weights");
    check_average();
    place const at = place_of(stage, p, t_.types.optimizer);
    t_.device.copy_out(at.stage->device, to, at.stage->states[state] + at.offset, at.bytes);
  }
  /// Sets one parameter (or buffer) from host memory; a tied one is its home's. Not while run() is at work.
  void write(int stage, table::parameter_row const& p, void const* from, bool buffer = false) {
    usage::working const guard(usage_, "set weights");
    place const at = place_of(stage, p, p.type);
    t_.device.copy_in(at.stage->device, (buffer ? at.stage->buffers : at.stage->w) + at.offset, from, at.bytes);
  }

 private:
  struct place {
    bound_stage const* stage;
    std::size_t offset, bytes;
  };
  /// Where a parameter (or buffer) is kept, or an array like it of another type.
  place place_of(int stage, table::parameter_row const& p, element type) const {
    if (p.home_stage >= 0) {
      auto const& home = memory_.stages()[static_cast<std::size_t>(p.home_stage)];
      return place_of(p.home_stage, home.table->parameters[static_cast<std::size_t>(p.home)], type);
    }
    return {&memory_.stages()[static_cast<std::size_t>(stage)], bytes_of(type, p.offset), bytes_of(type, p.size)};
  }

  void check_average() const {
    require(updates_ > 0, "cannot give averaged weights, because the first update begins the average and there were ",
            updates_.load(), " updates; train first");
  }

  void initialise() {
    std::vector<std::byte> host;
    for (bound_stage& b : memory_.stages()) {
      for (bool buffer : {false, true})
        for (table::parameter_row const& p : buffer ? b.table->buffers : b.table->parameters) {
          if (p.home_stage >= 0) continue;
          host.resize(bytes_of(p.type, p.size));
          t_.initialise(p, v_.seed, t_.initialise_value, host.data());
          write(b.number, p, host.data(), buffer);
        }
      t_.device.synchronise(b.device);
    }
  }

  run_result train(run_request const& request, long long warmup) {
    require(request.traces == nullptr || request.traces->workers() >= v_.workers, "cannot trace ", v_.workers,
            " workers, because the trace has ", request.traces == nullptr ? 0 : request.traces->workers(),
            " buffers; make it with one for each");
    require(!failed_,
            "cannot train on, because this run diverged or was ended by an exception, and its stages stand at "
            "different updates; make a new trainer");
    // Rings count microbatches of one call modulo 2^32, and distances must stay below half of that.
    require(request.minibatches >= 0 && request.minibatches <= std::numeric_limits<std::int32_t>::max() / v_.microbatches,
            "cannot train for ", request.minibatches, " minibatches of ", v_.microbatches,
            " microbatches in one call, because "
            "it counts up to ",
            std::numeric_limits<std::int32_t>::max(), " microbatches; ask for 0 or more, in several calls");
    run_result result;
    run_losses losses(updates_ * v_.microbatches, request.minibatches * v_.microbatches,
                      request.loss_every * v_.microbatches, request.every_loss);
    run_teller teller(request, losses);
    run_begin_ = updates_ * v_.microbatches;
    beside_ = nullptr;
    evaluations_before_ = evaluations_done_.load();
    require(
        request.evaluate_every == 0 || evaluator_ != nullptr,
        "cannot evaluate during training, because the run was made with .evaluation = false and its memory plan has no room "
        "for copies of the weights; make it with .evaluation = true");
    auto const begin = std::chrono::steady_clock::now();
    long long const end = updates_ + request.minibatches;
    check_copies(request, warmup);
    auto const goes_on = [&] { return !result.diverged && !result.ended && beside_ == nullptr; };
    if (t_.phases.size() > 1 && updates_ < warmup)
      run_phase(0, std::min(end, warmup) - updates_, warmup, request, result, losses, teller);
    if (goes_on() && updates_ < end)
      run_phase(t_.phases.size() - 1, end - updates_, warmup, request, result, losses, teller);
    if (beside_ != nullptr) std::rethrow_exception(std::exchange(beside_, nullptr));
    result.microbatches = losses.count();
    result.losses = losses.take_each();
    if (result.ended) result.losses.resize(std::min(result.losses.size(), static_cast<std::size_t>(result.microbatches)));
    with_memory("report on this run, which has made its updates", losses.sum_bytes(), [&] {
      result.sums = losses.sums();
      if (diagnostics_) result.diagnostics = diagnostics_->take();
    });
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return result;
  }

  copy_distance distance(table::phase_table const& phase, schedule::program_view view) const {
    return distance_of_copies(view, [&](int stage, int position) {
      return copied_by_forward(view, stage) && position == phase.facts.stage[static_cast<std::size_t>(stage)].last_forward;
    });
  }

  /// A stage keeps one copy for evaluations and one for diagnostics, so all stages must have made copy k before one of them
  /// can make k + 1.
  void check_copies(run_request const& request, long long warmup) const {
    bool const fresh = diagnostics_ != nullptr && diagnostics_->computes_fresh();
    if (request.evaluate_every == 0 && !fresh) return;
    long long const least = least_evaluation_distance(request.minibatches, warmup);
    require(request.evaluate_every == 0 || request.evaluate_every >= least, "cannot evaluate every ", request.evaluate_every,
            " updates, because the stages of ", t_.phases.back().name, " are up to ", least - 1,
            " updates apart and keep one copy of their weights for evaluations; "
            "evaluate at most every ",
            least, " updates");
    require(!fresh || diagnostics_->every() >= least, "cannot compute fresh gradients every ", v_.diagnostics.every,
            " updates, because the stages of ", t_.phases.back().name, " are up to ", least - 1,
            " updates apart and keep one copy of their weights for it; take diagnostics at most every ", least, " updates");
  }

  void run_phase(std::size_t number, long long minibatches, long long warmup, run_request const& request, run_result& result,
                 run_losses& losses, run_teller& teller) {
    table::phase_table const& phase = t_.phases[number];
    bool const last = number + 1 == t_.phases.size();
    schedule::program program = phase.program;
    schedule::program_view const view = program.view();
    memory_.reset_phase(phase, phase.program_delays);
    for (bound_stage& b : memory_.stages()) {
      b.asynchronous = last && view.asynchronous;
      b.phase_updates = t_.phases.size() > 1 ? warmup : 0;
    }
    prepare_evaluations(request, view);
    if (diagnostics_) diagnostics_->begin_phase(memory_.stages(), request.source, minibatches);
    stage_ops const ops(t_, v_, request.source, memory_.host_targets(), probes_);
    phase_state shared;
    shared.tables = &t_;
    shared.ops = &ops;
    shared.stages = &memory_.stages();
    shared.bells = &memory_.bells();
    shared.period = view.period;
    shared.microbatches = v_.microbatches;
    shared.ranks = view.size.ranks;
    for (schedule::op const& o : view.ops) shared.lanes = std::max(shared.lanes, o.lane + 1);
    shared.minibatches = minibatches;
    shared.periods = minibatches + phase.facts.periods_after;
    shared.first_microbatch = updates_ * v_.microbatches;
    long long const before = shared.first_microbatch - run_begin_;
    shared.losses = &losses;
    shared.most_begun = most_begun(t_, view);
    after_update_ = distance(phase, view).after;
    admit(request, shared);
    shared.watch = request.watch;
    shared.evaluate_every = request.evaluate_every;
    shared.evaluate_from = run_begin_ / v_.microbatches;
    shared.copy_for_evaluation = [](void* self, bound_stage& b, long long) {
      static_cast<engine*>(self)->evaluator_->copy(b);
    };
    shared.evaluation_self = this;
    shared.evaluations_done = &evaluations_done_;
    shared.copies_made = &copies_made_;

    std::vector<worker> workers;
    workers.reserve(static_cast<std::size_t>(v_.workers));
    for (int w = 0; w < v_.workers; ++w) {
      std::vector<int> ranks;
      for (int r = 0; r < view.size.ranks; ++r)
        if (memory_.worker_of_rank(r) == w) ranks.push_back(r);
      workers.emplace_back(shared, view, ranks, w);
      if (request.traces != nullptr) workers.back().trace(&(*request.traces)[w]);
    }
    bool calls = true;  // until one throws
    auto const service = [&] {
      evaluate_pending(request, result, teller, shared);
      if (calls) try {
          teller.sums();
          teller.progress(before + shared.microbatches_done.load(std::memory_order_relaxed), ops);
        } catch (...) {
          calls = false;
          if (beside_ == nullptr) beside_ = std::current_exception();
          shared.cut_now();
        }
    };
    driven_ = true;
    if (threaded_) {
      drive_threads(workers, memory_.bells(), v_.pin, request.disturb, service);
    } else {
      failed_ = true;  // unless it comes back
      drive_alone(workers.front(), service);
      failed_ = false;
    }
    finish(workers, shared, result);
  }

  /// Minibatches may enter the pipeline as long as it is open where the next evaluation, if it ends the run, cuts it off: at
  /// once where the callback can say so, else, for what throws, one evaluation later, where no stage has been anyway.
  void admit(run_request const& request, phase_state& shared) const {
    if (request.evaluate_every == 0) return;
    long long const next = evaluations_done_.load() - evaluations_before_ + (request.evaluated.can_end() ? 1 : 2);
    long long const minibatches =
        (run_begin_ - shared.first_microbatch) / v_.microbatches + next * request.evaluate_every + after_update_;
    shared.admitted = std::max(minibatches, 0LL) * v_.microbatches;
  }

  /// A stage without U whose statistics move with every F.
  bool copied_by_forward(schedule::program_view view, int stage) const {
    return view.wanted(stage) != schedule::gradients::both && t_.stages[static_cast<std::size_t>(stage)].buffer_elements > 0;
  }

  /// Stages in which nothing changes are copied here.
  void prepare_evaluations(run_request const& request, schedule::program_view view) {
    changing_stages_ = 0;
    for (bound_stage& b : memory_.stages()) {
      b.copied_by_forward = copied_by_forward(view, b.number);
      if (b.copied_by_forward || view.wanted(b.number) == schedule::gradients::both)
        ++changing_stages_;
      else if (request.evaluate_every != 0)
        evaluator_->copy(b);
    }
  }

  /// The copies stay as they are until the callback of an evaluation has come back.
  void evaluate_pending(run_request const& request, run_result& result, run_teller& teller, phase_state& shared) {
    if (request.evaluate_every == 0) return;
    while (copies_made_.load() >= (evaluations_done_.load() + 1) * changing_stages_) {
      long long const update =
          run_begin_ / v_.microbatches + (evaluations_done_.load() - evaluations_before_ + 1) * request.evaluate_every;
      if (!result.ended && beside_ == nullptr && !evaluate_copies(request, result, teller, update))
        shared.cut_after(shared.admitted.load() / v_.microbatches);
      evaluations_done_.fetch_add(1);
      admit(request, shared);
      shared.ring();
    }
  }

  /// Gives whether the training goes on after it.
  bool evaluate_copies(run_request const& request, run_result& result, run_teller& teller, long long update) {
    try {
      teller.sums();
      teller.evaluation(update);
      evaluation_result r;
      with_memory("evaluate", evaluator_->plan().bytes(), [&] {
        r = evaluator_->run(request.evaluation, update);
        result.evaluations.push_back(r);
      });
      teller.evaluated();
      usage::answering const now(usage_, update);
      result.ended = request.evaluated(r) == training::ends;
      return !result.ended;
    } catch (...) {
      beside_ = std::current_exception();
      return false;
    }
  }

  /// Of several failures the first in the program's order counts, whatever happened first on the clock.
  void finish(std::vector<worker> const& workers, phase_state const& shared, run_result& result) {
    worker const *first = nullptr, *beside = nullptr;
    for (worker const& w : workers) {
      if ((w.failure() || w.exception()) && (first == nullptr || w.failed_key() < first->failed_key())) first = &w;
      if (w.beside() && (beside == nullptr || w.beside_key() < beside->beside_key())) beside = &w;
    }
    if (beside != nullptr) beside_ = beside->beside();
    bool const inference = t_.phases.back().inference;
    if (first == nullptr) {
      updates_ += shared.through();
      return;
    }
    failed_ = !inference;  // which leaves nothing behind
    long long least = std::numeric_limits<long long>::max();
    for (bound_stage const& b : memory_.stages())
      if (!b.forward && !b.frozen) least = std::min(least, b.updates);
    if (!inference && least != std::numeric_limits<long long>::max()) updates_ = least;
    if (first->exception()) std::rethrow_exception(first->exception());
    result.diverged = first->failure();
  }

  table::run_tables const& t_;
  table::run_values v_;
  bool threaded_;
  run_memory memory_;
  std::unique_ptr<evaluator> evaluator_;
  std::unique_ptr<hook_probe> hook_;
  std::unique_ptr<diagnostics> diagnostics_;
  probes probes_;
  std::atomic<long long> updates_{0};
  long long run_begin_ = 0, evaluations_before_ = 0, changing_stages_ = 1;
  long long after_update_ = 0;  ///< of the phase at work: copy_distance::after
  bool failed_ = false;
  bool driven_ = false;        ///< the run at work has begun
  std::exception_ptr beside_;  ///< what something beside the training has thrown in the run at work
  mutable usage usage_;
  std::atomic<long long> evaluations_done_{0}, copies_made_{0};
};

}  // namespace foal::executor
