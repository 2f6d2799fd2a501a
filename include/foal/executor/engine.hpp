// Runs minibatches: phases, evaluations, failures. Works on tables alone; compiled once whatever the models.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <foal/executor/diagnostics.hpp>
#include <foal/executor/drive.hpp>
#include <foal/executor/evaluation.hpp>
#include <foal/executor/hook.hpp>

namespace foal::executor {

/// What one call of run() is asked for, besides training.
struct run_request {
  long long minibatches = 0;
  source_functions source{};
  evaluation_source evaluation{};
  long long evaluate_every = 0;                               ///< updates; 0: no evaluations
  std::function<void(evaluation_result const&)> evaluated{};  ///< on the calling thread
  std::function<void(long long microbatches_done)> tick{};    ///< on the calling thread, every few milliseconds
  observer watch{};
  disturbance disturb{};
  report::trace* traces = nullptr;  ///< a buffer per worker
};

struct run_result {
  std::vector<loss::loss_result> losses;  ///< of each microbatch, as its forward saw it
  long long microbatches = 0;             ///< so many of them are known
  std::vector<evaluation_result> evaluations;
  std::optional<divergence> diverged;
  std::vector<diagnostic> diagnostics;  ///< by update, then by stage
  double seconds = 0;                   ///< of training, evaluations on the same thread included
};

class engine {
 public:
  /// tables is kept by reference. Throws foal::error when values cannot work; everything is allocated here.
  engine(run_tables const& tables, run_values values, bool threaded, std::vector<int> worker_of)
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
  run_values const& values() const { return v_; }
  /// Bytes of the copies that a hook and diagnostics look at.
  std::size_t diagnostics_bytes() const {
    return (hook_ ? hook_->plan().bytes() : 0) + (diagnostics_ ? diagnostics_->bytes() : 0);
  }
  long long updates() const { return updates_; }
  std::vector<bound_stage> const& stages() const { return memory_.stages(); }

  /// Trains for request.minibatches more minibatches; `warmup` of the run's first ones belong to the first phase of two.
  run_result run(run_request const& request, long long warmup) {
    at_work const guard(running_, "run");
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
    result.losses.resize(static_cast<std::size_t>(request.minibatches * v_.microbatches));
    run_begin_ = updates_ * v_.microbatches;
    evaluations_before_ = evaluations_done_.load();
    require(
        request.evaluate_every == 0 || evaluator_ != nullptr,
        "cannot evaluate during training, because the run was made with .evaluation = false and its memory plan has no room "
        "for copies of the weights; make it with .evaluation = true");
    auto const begin = std::chrono::steady_clock::now();
    long long const end = updates_ + request.minibatches;
    check_copies(request, warmup, end);
    failed_ = !t_.phases.back().inference;  // unless every phase comes to its end; inference leaves nothing behind
    if (t_.phases.size() > 1 && updates_ < warmup) run_phase(0, std::min(end, warmup) - updates_, warmup, request, result);
    if (!result.diverged && updates_ < end) run_phase(t_.phases.size() - 1, end - updates_, warmup, request, result);
    failed_ = result.diverged.has_value();
    if (diagnostics_) result.diagnostics = diagnostics_->take();
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return result;
  }

  /// Evaluates the weights as they are, or one of the optimizer's states in their place. Not while run() is at work.
  evaluation_result evaluate(evaluation_source const& source, int state = -1) {
    at_work const guard(running_, "evaluate");
    flushed_denormals const flushed;  // as evaluations during a run
    require(evaluator_ != nullptr, "cannot evaluate, because the run was made with .evaluation = false; make it with true");
    if (state >= 0) check_average();
    for (bound_stage& b : memory_.stages()) evaluator_->copy(b, state);
    evaluation_result const result = evaluator_->run(source, updates_);
    if (!evaluator_->misfit().empty()) throw error(evaluator_->misfit());
    return result;
  }

  /// A parameter (or buffer) of a stage. Throws foal::error where there is none.
  lower::parameter_row const& row(int stage, std::size_t which, bool buffer = false) const {
    auto const count = static_cast<int>(t_.stages.size());
    require(stage >= 0 && stage < count, "cannot find stage ", stage, ", because there are ", count,
            " stages; give a number from 0 to ", count - 1);
    lower::stage_table const& s = t_.stages[static_cast<std::size_t>(stage)];
    auto const& rows = buffer ? s.buffers : s.parameters;
    require(which < rows.size(), "cannot find ", buffer ? "statistic " : "parameter ", which, " of stage ", stage,
            ", because it has ", rows.size(), "; give a number below that");
    return rows[which];
  }

  /// Copies one parameter (or buffer) to host memory of size * scalar_bytes bytes; a tied one is its home's.
  void read(int stage, lower::parameter_row const& p, void* to, bool buffer = false) const {
    place const at = place_of(stage, p);
    t_.device.copy_out(at.stage->device, to, (buffer ? at.stage->buffers : at.stage->w) + at.offset, at.bytes);
  }
  /// Copies one of the optimizer's states of a parameter that is trained: the average, which needs an update.
  void read_average(int stage, lower::parameter_row const& p, int state, void* to) const {
    check_average();
    place const at = place_of(stage, p);
    t_.device.copy_out(at.stage->device, to, at.stage->states[state] + at.offset, at.bytes);
  }
  /// Sets one parameter (or buffer) from host memory; a tied one is its home's. Not while run() is at work.
  void write(int stage, lower::parameter_row const& p, void const* from, bool buffer = false) {
    at_work const guard(running_, "set weights");
    place const at = place_of(stage, p);
    t_.device.copy_in(at.stage->device, (buffer ? at.stage->buffers : at.stage->w) + at.offset, from, at.bytes);
  }

 private:
  /// Marks the engine as at work. Callbacks of a run must not call back into it: weights and copies of them are in use.
  class at_work {
   public:
    at_work(std::atomic<bool>& running, char const* what) : running_(running) {
      require(!running_.exchange(true), "cannot ", what,
              " now, because this trainer is at work, and a callback or another thread has asked; do it when it is done");
    }
    at_work(at_work const&) = delete;
    at_work& operator=(at_work const&) = delete;
    ~at_work() { running_ = false; }

   private:
    std::atomic<bool>& running_;
  };

  struct place {
    bound_stage const* stage;
    std::size_t offset, bytes;
  };
  /// Where a parameter (or buffer) is kept.
  place place_of(int stage, lower::parameter_row const& p) const {
    if (p.home_stage >= 0) {
      auto const& home = memory_.stages()[static_cast<std::size_t>(p.home_stage)];
      return place_of(p.home_stage, home.table->parameters[static_cast<std::size_t>(p.home)]);
    }
    return {&memory_.stages()[static_cast<std::size_t>(stage)], static_cast<std::size_t>(p.offset) * t_.scalar_bytes,
            static_cast<std::size_t>(p.size) * t_.scalar_bytes};
  }

  void check_average() const {
    require(updates_ > 0, "cannot give averaged weights, because the first update begins the average and there were ",
            updates_, " updates; train first");
  }

  void initialise() {
    std::vector<std::byte> host;
    for (bound_stage& b : memory_.stages()) {
      for (bool buffer : {false, true})
        for (lower::parameter_row const& p : buffer ? b.table->buffers : b.table->parameters) {
          if (p.home_stage >= 0) continue;
          host.resize(static_cast<std::size_t>(p.size) * t_.scalar_bytes);
          t_.initialise(p, v_.seed, t_.initialise_value, host.data());
          write(b.number, p, host.data(), buffer);
        }
      t_.device.synchronise(b.device);
    }
  }

  /// A stage keeps one copy for evaluations and one for diagnostics, so all stages must have made copy k before one of them
  /// can make k + 1.
  void check_copies(run_request const& request, long long warmup, long long end) const {
    bool const fresh = diagnostics_ != nullptr && diagnostics_->computes_fresh();
    if ((request.evaluate_every == 0 && !fresh) || end <= std::max(updates_, t_.phases.size() > 1 ? warmup : 0)) return;
    schedule::program program = t_.phases.back().program;
    schedule::program_view const view = program.view();
    int first = std::numeric_limits<int>::max(), last = std::numeric_limits<int>::min();
    for (schedule::op const& o : view.ops) {
      int const minibatch = schedule::floor_div(o.microbatch, v_.microbatches);
      auto const& facts = t_.phases.back().facts.stage[static_cast<std::size_t>(o.stage)];
      bool const ends = o.microbatch - minibatch * v_.microbatches == facts.last_forward;
      if (o.kind != schedule::op_kind::U && !(o.kind == schedule::op_kind::F && ends && copied_by_forward(view, o.stage)))
        continue;
      int const slot = o.slot - view.period * minibatch;
      first = std::min(first, slot);
      last = std::max(last, slot);
    }
    int const least = (last - first) / view.period + 1;
    require(request.evaluate_every == 0 || request.evaluate_every >= least, "cannot evaluate every ", request.evaluate_every,
            " updates, because the stages of ", t_.phases.back().name, " are up to ", least - 1,
            " updates apart and keep one copy of their weights for evaluations; "
            "evaluate at most every ",
            least, " updates");
    require(!fresh || diagnostics_->every() >= least, "cannot compute fresh gradients every ", v_.diagnostics.every,
            " updates, because the stages of ", t_.phases.back().name, " are up to ", least - 1,
            " updates apart and keep one copy of their weights for it; take diagnostics at most every ", least, " updates");
  }

  void run_phase(std::size_t number, long long minibatches, long long warmup, run_request const& request,
                 run_result& result) {
    phase_table const& phase = t_.phases[number];
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
    shared.losses = result.losses.data() + before;
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
    auto const service = [&] {
      evaluate_pending(request, result);
      if (request.tick) request.tick(before + shared.microbatches_done.load(std::memory_order_relaxed));
    };
    if (threaded_) {
      drive_threads(workers, memory_.bells(), v_.pin, request.disturb, service);
    } else {
      drive_alone(workers.front(), service);
    }
    finish(workers, result);
    result.microbatches = before + shared.microbatches_done.load();
    if (!result.diverged) updates_ += minibatches;
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

  void evaluate_pending(run_request const& request, run_result& result) {
    if (request.evaluate_every == 0) return;
    while (copies_made_.load() >= (evaluations_done_.load() + 1) * changing_stages_) {
      long long const update =
          run_begin_ / v_.microbatches + (evaluations_done_.load() - evaluations_before_ + 1) * request.evaluate_every;
      evaluation_result const r = evaluator_->run(request.evaluation, update);
      result.evaluations.push_back(r);
      evaluations_done_.fetch_add(1);
      for (auto& b : memory_.bells()) b.ring();
      if (request.evaluated) request.evaluated(r);
    }
  }

  /// Of several failures the first in the program's order counts, whatever happened first on the clock.
  static void finish(std::vector<worker>& workers, run_result& result) {
    worker const* first = nullptr;
    for (worker const& w : workers)
      if ((w.failure() || w.exception()) && (first == nullptr || w.failed_key() < first->failed_key())) first = &w;
    if (first == nullptr) return;
    if (first->exception()) std::rethrow_exception(first->exception());
    result.diverged = first->failure();
  }

  run_tables const& t_;
  run_values v_;
  bool threaded_;
  run_memory memory_;
  std::unique_ptr<evaluator> evaluator_;
  std::unique_ptr<hook_probe> hook_;
  std::unique_ptr<diagnostics> diagnostics_;
  probes probes_;
  long long updates_ = 0, run_begin_ = 0, evaluations_before_ = 0, changing_stages_ = 1;
  bool failed_ = false;
  std::atomic<bool> running_ = false;
  std::atomic<long long> evaluations_done_{0}, copies_made_{0};
};

}  // namespace foal::executor
