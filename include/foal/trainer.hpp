// The class that users name: a model, a loss, a schedule, and policies by role, in any order, with defaults.
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/data/batches.hpp>
#include <foal/data/sequence_batches.hpp>
#include <foal/executor/any_source.hpp>
#include <foal/executor/check_source.hpp>
#include <foal/executor/check_values.hpp>
#include <foal/lower/lower.hpp>
#include <foal/lower/proofs.hpp>
#include <foal/lower/ragged.hpp>
#include <foal/lower/replica.hpp>
#include <foal/lower/wait.hpp>
#include <foal/lower/wire.hpp>
#include <foal/model/partition.hpp>
#include <foal/trainer/common_answer.hpp>
#include <foal/trainer/cut.hpp>
#include <foal/trainer/engine.hpp>
#include <foal/trainer/facts.hpp>
#include <foal/trainer/fingerprint.hpp>
#include <foal/trainer/fit_keeper.hpp>
#include <foal/trainer/fit_report.hpp>
#include <foal/trainer/fit_teller.hpp>
#include <foal/trainer/net_weights.hpp>
#include <foal/trainer/process_facts.hpp>
#include <foal/trainer/shared_result.hpp>
#include <foal/trainer/types.hpp>

namespace foal {

/// Trains Net with Loss on the program of Schedule. Policies (each a type with a role): an optimizer (default optim::sgd), a
/// learning rate (lr::constant), delay compensation (delay::none), weight versions (flush for synchronous schedules, else
/// live), warm-up, clipping, accumulation of weight gradients, storage of activations (storage::exact), wires between stages
/// (wire::exact), initialisation, a hook after each update, executor (threads), foal::on<device>, foal::scalar<type>
/// (trainer/roles.hpp has them all).
template <class Net = lower::nothing_given, class Loss = lower::nothing_given, class Schedule = lower::nothing_given,
          class... Policies>
class trainer : public detail::net_weights<trainer<Net, Loss, Schedule, Policies...>,
                                           detail::trainer_types<Net, Loss, Schedule, Policies...>> {
  using types = detail::trainer_types<Net, Loss, Schedule, Policies...>;

 public:
  using model_type = typename types::model_type;
  using loss_type = typename types::loss_type;
  using schedule_type = typename types::schedule_type;
  using device_type = typename types::device_type;
  using scalar_type = typename types::scalar_type;
  template <class Role>
  using policy = typename types::template policy<Role>;
  using target_type = typename types::target_type;

  static constexpr int stages = stage_count<model_type>;
  static constexpr long long parameters = parameter_count<model_type>();
  static constexpr long long flops = forward_flops<model_type>();  ///< of one sample's forward
  static constexpr int most_ranks = lower::default_ranks<schedule_type>(stages);

  /// d of a stage in microbatches, with one rank per stage, where ops read the newest weights. Does not depend on N.
  static constexpr int delay(int stage) {
    schedule::program p = schedule::generate(schedule_type{}, schedule::extent_of(schedule_type{}, stages, most_ranks, 1));
    return schedule::analyse(p.view()).stage[static_cast<std::size_t>(stage)].delay;
  }

  using config = detail::trainer_config<types>;
  static_assert(sizeof(typename types::checks) > 0);

  struct fit_options {
    int epochs = 1;
    executor::any_source<scalar_type, target_type> evaluate{};  ///< after each epoch
    bool shuffle = true;
    bool quiet = false;   ///< no progress on stderr
    std::string label{};  ///< in front of the progress
    /// Path of a JSON-lines file, one line an epoch. A trainer's first fit that names it begins it anew, later ones go on.
    /// Of several processes the one that hosts the last stage writes it.
    std::string metrics{};
    bool append_metrics = false;  ///< the first fit goes on, too, behind the lines of an earlier run
    /// foal::checkpoints of foal/checkpoint.hpp: what the fit saves, and goes on from.
    any_keeper checkpoint{};
    /// What is called, and what looks on, while the fit is at work; the rest of it, which the fit decides, stays as it is.
    executor::run_request hooks{};
  };

  /// Allocates everything that the run needs. Throws foal::error where the numbers cannot work.
  explicit trainer(config values) try  // foal: a value is no member of config, or out of order? config c{...}; names it
      : values_(merged(std::move(values))),
        ranks_(values_.ranks != 0 ? values_.ranks : schedule::ranks_for(values_.schedule, stages)),
        tables_(make_tables()),
        engine_(tables_, run_values(), executor::driver_of<policy<role::executor>>(), workers_of_ranks(place())) {
  } catch (std::bad_alloc const&) {
    throw error(sentence("cannot make this trainer, because the system has not enough memory left for it (its ", parameters,
                         " parameters alone take ", static_cast<std::size_t>(parameters) * sizeof(scalar_type),
                         " bytes); end other programs, or use a smaller net"));
  }
  trainer(trainer const&) = delete;
  trainer& operator=(trainer const&) = delete;

  /// Trains for whole epochs; the last partial minibatch of an epoch is dropped. A stream crosses epochs without a flush;
  /// the end of a fit drains. A divergence ends the fit and is reported, not thrown. What a callback throws comes out when
  /// all stages have had the same updates (executor::run_request says where), and the trainer can train on. `augment`: see
  /// foal::data::augment. Sequences go in microbatches of similar lengths, without padding if all layers take that, and
  /// losses are weighted by their targets.
  template <class Source, class... Augment>
  fit_report fit(Source const& source, fit_options options = {},  // foal: is each value a member of fit_options, in order?
                 Augment... augment) {
    static_assert(sizeof(executor::gives_samples<Source>) > 0);
    if constexpr (data::sequence_source<Source>) {
      static_assert(sizeof...(Augment) == 0, "foal: cannot augment sequences; let their source do it");
      check_samples(source);
      return fit_batches(
          data::sequence_batches<Source>(source, batching(options), lower::layout<model_type, loss_type>(tables_)), options);
    } else if constexpr (data::sample_source<Source>) {
      check_samples(source);
      return fit_batches(data::batches<Source, Augment...>(source, batching(options), augment...), options);
    } else {
      return {};
    }
  }

  /// Updates that an epoch of a source has: what a learning rate counts in.
  template <class Source>
  long long updates_per_epoch(Source const& source) const {
    return data::updates_per_epoch(source, values_.microbatch_size, values_.microbatches);
  }

  /// Trains for whole epochs on batches with minibatches_per_epoch() and what executor::source_of() takes.
  template <class Batches>
  fit_report fit_batches(Batches const& batches, fit_options const& options) {  // foal: each a member of fit_options?
    long long const per_epoch = batches.minibatches_per_epoch();
    require_number(options.epochs >= 0, "fit_options", "epochs", options.epochs, "0 or more");
    executor::check_hooks(options.hooks);
    executor::run_request request = options.hooks;
    request.minibatches = per_epoch * options.epochs;
    request.loss_every = per_epoch;
    request.evaluation = options.evaluate.functions;
    bool const evaluates = request.evaluation.self != nullptr;
    long long least = 1, epochs = 1;  // updates and epochs between evaluations
    if (evaluates) {
      check(options.evaluate);
      least = engine_.least_evaluation_distance(request.minibatches, warmup_minibatches());
      epochs = per_epoch > 0 ? (least + per_epoch - 1) / per_epoch : 1;
      request.evaluate_every = epochs * per_epoch;
    }
    long long const begin = updates();
    request.source.shift = (epochs_ * per_epoch - begin) * values_.microbatches;  // an epoch begins
    detail::kept_fit const kept(options.checkpoint, request, [&] {
      give_source(request, batches);
      return detail::place_of<types>(engine_, tables_, run_values(), values_, fingerprint(), request,
                                     detail::sizes_of(batches), {warmup_minibatches(), per_epoch, begin, epochs_});
    });
    using how = fit_start::how;
    bool const losses_here = engine_.stages().back().worker >= 0;  // of several processes one writes metrics
    detail::fit_teller teller(
        logs_, losses_here ? options.metrics : std::string(), options.append_metrics || !kept.is(how::anew),
        {&tables_, warmup_minibatches(), epochs_, begin, per_epoch, options.epochs, request.evaluate_every,
         per_epoch * minibatch_samples(), seconds_ + kept.start.told.seconds, kept.start.before * minibatch_samples()},
        values_.microbatch_size, {.label = options.label, .quiet = options.quiet});
    if (epochs > 1) teller.note(detail::thinned_note(tables_.phases.back().name, least, per_epoch, epochs));
    kept.note(teller);
    teller.listen(request, options.hooks);
    epochs_begun const counted{*this, begin, per_epoch};
    executor::run_result result = kept.is(how::resumes) ? resume(batches, request)
                                  : kept.is(how::done)  ? executor::run_result{}
                                                        : run(batches, request);
    detail::go_on_from(kept.start.told, result);
    if (evaluates && options.epochs > 0 && !result.diverged && !result.ended && !result.paused &&
        (result.evaluations.empty() || result.evaluations.back().update != updates())) {
      result.evaluations.push_back(engine_.evaluate(request.evaluation));
      result.ended = executor::ends_all<policy<role::executor>>(request.evaluated, result.evaluations.back());
    }
    seconds_ += result.seconds;
    fit_report report = detail::report_of(result, updates(), values_.microbatch_size);
    kept.finish(result, report, teller);
    return teller.finish(std::move(report));
  }

  /// Trains for request.minibatches minibatches of anything that executor::source_of() takes.
  template <class Batches>
  executor::run_result run(Batches const& batches, executor::run_request request) {
    give_source(request, batches);
    agree("run()", request, detail::sizes_of(batches));
    return shared(engine_.run(request, warmup_minibatches()));
  }

  /// Goes on with a run() that paused, on the same samples, to the bits of one that did not (executor::engine::resume()).
  template <class Batches>
  executor::run_result resume(Batches const& batches, executor::run_request request) {
    give_source(request, batches);
    agree("resume()", request, detail::sizes_of(batches));
    return shared(engine_.resume(request));
  }

  /// What a paused run needs to go on, in a trainer of the same type and numbers; of several processes this one's share.
  trainer_cut cut() { return {fingerprint(), engine_.cut(), detail::state_of_policies(values_), epochs_}; }

  /// Stands where another trainer's run paused: resume() goes on from there. Throws foal::error where that is another run,
  /// by its fingerprint, and changes nothing then.
  void restore(trainer_cut const& from) {
    report::require_same(fingerprint(), from.of, "go on from this cut");
    detail::restore_policies(values_, from.policies, false);
    engine_.restore(from.run);
    detail::restore_policies(values_, from.policies, true);
    epochs_ = from.epochs;
  }

  /// Loss and accuracy of the weights as they are. Of several processes all call it, and all get it.
  template <class Source>
  evaluation_result evaluate(Source const& source) {
    return evaluate_state(source, -1);
  }

  /// The same of the averaged weights: needs optim::averaged and at least one update.
  template <class Source>
  evaluation_result evaluate_average(Source const& source)
    requires requires { policy<role::optimizer>::average; }
  {
    return evaluate_state(source, policy<role::optimizer>::average);
  }

  /// What is known before the run: stages, delays, bytes, utilisation, settings, warnings.
  /// Of several processes with what each holds and sends.
  report::facts facts() const {
    report::facts f = detail::facts_of_trainer<types>(tables_, engine_, values_, warmup_minibatches());
    int const processes = place().count;
    std::vector<std::vector<int>> workers;
    for (int p = 0; processes > 1 && p < processes; ++p) workers.push_back(workers_of_ranks({p, processes}));
    if (processes > 1) executor::add_processes(f, tables_, run_values(), workers);
    return f;
  }

  /// What makes this run this run; report::require_same compares two.
  report::fingerprint fingerprint() const { return detail::fingerprint_of_trainer<types>(tables_, values_); }

  /// Whether this process reads the inputs of its data: it has the first stage. Else they need not be loaded (data::part).
  bool wants_inputs() const { return hosts(0); }
  /// Whether it reads the targets: it has the last stage, or the first one where they are an input.
  bool wants_targets() const { return hosts(stages - 1) || (tables_.targets_entry >= 0 && hosts(0)); }

  table::run_tables const& tables() const { return tables_; }
  executor::engine const& engine() const { return engine_; }
  config const& values() const { return values_; }
  /// The hook with what it has collected. Not while a fit is at work.
  policy<role::hook>& hook() { return values_.hook; }
  /// The learning rate's numbers, to be told a loss (lr::plateau) or changed. Not while a fit is at work.
  policy<role::learning_rate>& lr() { return values_.lr; }
  /// That every stage has had; in a callback of an evaluation, those of what was evaluated.
  long long updates() const { return engine_.updates(); }

 private:
  friend detail::net_weights<trainer, types>;

  static constexpr bool small_ = stages <= 32;
  struct proofs : lower::proved<schedule_type, stages, most_ranks, 1, small_>,
                  lower::proved<schedule_type, stages, most_ranks, 4, small_>,
                  lower::proved_versions<schedule_type, policy<role::versions>, stages, most_ranks, 4, small_> {};
  static_assert(sizeof(proofs) > 0);

  /// Of a fit, however it ends: the next one begins an epoch that has not been begun.
  struct epochs_begun {
    trainer& of;
    long long before, per_epoch;
    ~epochs_begun() {
      if (per_epoch > 0) of.epochs_ += (of.updates() - before + per_epoch - 1) / per_epoch;
    }
  };

  template <class Batches>
  void give_source(executor::run_request& request, Batches const& batches) const {
    executor::check_microbatch_size(batches, values_.microbatch_size);
    request.source = executor::source_of<scalar_type, target_type>(batches, request.source.shift);
    lower::check_ragged<model_type, loss_type>(request.source.sample_lengths != nullptr, tables_.model_name);
  }
  /// Of several processes: that all begin the same. Throws in each of them where one does not.
  void agree(char const* call, executor::run_request const& request, detail::data_sizes const& data) {
    if constexpr (requires { policy<role::executor>::agree(report::fingerprint{}); }) {
      engine_.check_free(call);
      if (policy<role::executor>::place().count == 1) return;
      policy<role::executor>::agree(detail::fingerprint_of_call(call, fingerprint(), tables_, run_values(), values_, request,
                                                                data, engine_.updates()));
      request.evaluated.begin_alike([](std::string const& text) { return policy<role::executor>::exchange(text).front(); });
    }
  }
  template <class Source>
  evaluation_result evaluate_state(Source const& source, int state) {
    executor::any_source<scalar_type, target_type> const any(source);
    check(any);
    agree(state < 0 ? "evaluate()" : "evaluate_average()", {.evaluation = any.functions}, {});
    return engine_.evaluate(any.functions, state);
  }
  /// Of several processes: what all of them have found.
  executor::run_result shared(executor::run_result mine) const {
    if constexpr (requires { policy<role::executor>::exchange(std::string()); })
      if (policy<role::executor>::place().count > 1) executor::share(mine, policy<role::executor>::exchange);
    return mine;
  }
  long long minibatch_samples() const { return static_cast<long long>(values_.microbatch_size) * values_.microbatches; }
  long long warmup_minibatches() const {
    if constexpr (warmup::has_program<policy<role::warmup>>)
      return values_.warmup.minibatches;
    else
      return 0;
  }

  /// Schedules may run a minibatch in other pieces than asked for where that does the same updates (schedule::injected).
  static config merged(config c) {
    if constexpr (requires { c.schedule.merge(c.microbatch_size, c.microbatches); })
      c.schedule.merge(c.microbatch_size, c.microbatches);
    return c;
  }

  table::run_tables make_tables() {
    executor::check_values(run_values(), stages, ranks_, schedule::ranks_for(values_.schedule, stages),
                           policy<role::executor>::threaded, values_.replicas);
    require(!values_.evaluation || !lower::waits<device_type>, "cannot evaluate on ", type_name<device_type>(),
            ", because its ops wait instead of computing; train on a device that computes, or give .evaluation = false");
    using namespace lower;
    table::run_tables t = lower::lower<model_type, device_type, scalar_type>(
        values_.schedule, schedule::extent_of(values_.schedule, stages, ranks_, values_.microbatches / values_.replicas),
        foal::detail::values_of<types>(values_, foal::detail::all_roles{}), values_.replicas);
    lower::store_and_send<device_type, scalar_type>(t, values_.storage, values_.wire);
    lower::exchange<policy<role::replica>, scalar_type>(t, values_.replica, values_.replicas);
    t.hook = lower::hook_of<policy<role::hook>, scalar_type>();
    t.hook_value = &values_.hook;
    require(t.phases.back().inference || values_.microbatch_size >= t.least_samples, "cannot train with microbatches of ",
            values_.microbatch_size,
            " samples, because a batch norm would take its statistics from one value; use at least ", t.least_samples);
    let_wait<device_type>(t, values_.device);
    return t;
  }

  table::run_values run_values() const {
    return {values_.microbatch_size,    values_.microbatches, values_.workers,     values_.seed,     values_.evaluation,
            values_.evaluation_samples, values_.pin,          values_.diagnostics, values_.ordinals, values_.record};
  }

  bool hosts(int stage) const {
    bool any = false;  // replica of it
    for (executor::bound_stage const& b : engine_.stages()) any = any || (b.number == stage && b.worker >= 0);
    return any;
  }
  static executor::process_place place() {
    if constexpr (requires { policy<role::executor>::place(); }) return policy<role::executor>::place();
    return {};
  }

  /// Ranks are spread over workers so that the busiest has as little work as can be; results do not depend on it.
  std::vector<int> workers_of_ranks(executor::process_place here) const {
    std::vector<long long> cost(static_cast<std::size_t>(tables_.ranks), 1);
    for (std::size_t u = 0; u < tables_.units(); ++u)
      cost[static_cast<std::size_t>(tables_.rank_of[u])] += tables_.of_unit(u).flops;
    require(values_.workers * here.count <= tables_.ranks, "cannot spread ", tables_.ranks, " ranks over ", here.count,
            " processes of ", values_.workers,
            " workers, because each of these hosts at least one; start fewer processes, or give fewer .workers");
    std::vector<int> of = min_max_partition(cost, values_.workers * here.count);
    for (int& worker : of) {
      int const process = worker / values_.workers;
      worker = process == here.number ? worker % values_.workers : executor::hosted_by(process);
    }
    return of;
  }

  data::batching batching(fit_options const& options) const {
    return {values_.microbatch_size, values_.microbatches, values_.seed,
            options.shuffle ? data::ordering::shuffled : data::ordering::in_order};
  }

  int classes() const { return tables_.loss.classes_of(model_type::description.output); }
  void check(executor::source_facts const& source) const {
    executor::check_source(source, tables_.model_name, model_type::description, tables_.loss.targets_per_sample,
                           std::is_void_v<typename loss_type::target> ? 0 : classes());
  }
  void check(executor::any_source<scalar_type, target_type> const& source) const {
    check(source.facts);
    source.check_targets(tables_.loss, classes());
  }
  template <class Source>
  void check_samples(Source const& source) const {
    auto const facts = executor::facts_of_source(source);
    check(facts);
    executor::check_shortest(source, tables_.segments);
    executor::check_targets<target_type>(source, facts, tables_.loss, classes());
  }

  config values_;
  int ranks_;
  table::run_tables tables_;
  executor::engine engine_;
  long long epochs_ = 0;           ///< of all fits
  double seconds_ = 0;             ///< of all fits that came to their end
  std::vector<std::string> logs_;  ///< paths of metrics that fits have begun
};

}  // namespace foal
