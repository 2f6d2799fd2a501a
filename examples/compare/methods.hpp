// The six methods as trainer types over one network; a network's translation unit instantiates make_network once.
#pragma once

#include <memory>

#include <foal/data/augment.hpp>
#include <foal/executor/as_launched.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "experiment.hpp"

namespace compare {

/// He's gain for the networks with rectifiers; 1 keeps the variance of tanh units.
template <class Net>
constexpr double initial_gain() {
  if constexpr (requires { Net::initial_gain; })
    return Net::initial_gain;
  else
    return foal::initialisation::he{}.gain;
}

template <class Net, class Schedule, class... Policies>
using run = foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::initialisation::he,
                          foal::executor::as_launched, Policies...>;

template <class Net>
struct trainers {
  using gpipe = run<Net, foal::schedule::gpipe, foal::lr::step>;
  using pipedream = run<Net, foal::schedule::pipemare, foal::lr::step, foal::versions::stash>;
  using none = run<Net, foal::schedule::pipemare, foal::lr::step>;
  using t1 = run<Net, foal::schedule::pipemare, foal::lr::reschedule<foal::lr::step>>;
  using t1t2 = run<Net, foal::schedule::pipemare, foal::lr::reschedule<foal::lr::step>, foal::delay::discrepancy_correction>;
  using t1t2t3 = run<Net, foal::schedule::pipemare, foal::lr::reschedule<foal::lr::step>,
                     foal::delay::discrepancy_correction, foal::warmup::synchronous>;
};

/// The numbers of an experiment as a trainer's config. T1's K is all asynchronous updates of the run.
template <class Trainer>
typename Trainer::config config_of(experiment const& e) {
  long long const per_epoch = e.data->train.size() / (static_cast<long long>(e.microbatch_size) * e.microbatches);
  foal::lr::step const base{.rate = e.rate, .every = e.drop_epoch > 0 ? e.drop_epoch * per_epoch : 1LL << 40};
  typename Trainer::config c;
  c.microbatch_size = e.microbatch_size;
  c.microbatches = e.microbatches;
  c.workers = e.workers;
  c.replicas = e.replicas;
  c.seed = e.seed;
  c.evaluation_samples = 128;
  c.initial.gain = initial_gain<typename Trainer::model_type>();
  c.optim = {.momentum = e.momentum, .weight_decay = e.weight_decay};
  long long const warmup = e.method == method::t1t2t3 ? e.warmup_epochs * per_epoch : 0;
  if constexpr (requires { c.lr.base; })
    c.lr = {.base = base, .steps = e.epochs * per_epoch - warmup};
  else
    c.lr = base;
  if constexpr (requires { c.delay.decay; }) c.delay.decay = e.decay;
  if constexpr (requires { c.warmup.minibatches; }) c.warmup.minibatches = warmup;
  bool const whole = e.workers == 1 && foal::executor::as_launched::place().count == 1;  // a fresh gradient takes all stages
  if (e.diagnostics) c.diagnostics = {static_cast<int>(per_epoch), whole};
  return c;
}

template <class Trainer>
outcome train_with(experiment const& e) {
  Trainer trainer(config_of<Trainer>(e));
  typename Trainer::fit_options options{
      .epochs = e.epochs, .evaluate = e.data->test, .quiet = e.quiet, .label = name(e.method)};
  options.hooks.stall_seconds = e.stalls.seconds;
  options.checkpoint = e.saves.of(foal::sentence(name(e.method), "-", e.seed));
  foal::fit_report const fit =
      e.augment ? trainer.fit(e.data->train, options, foal::data::augment::flip{}, foal::data::augment::crop{.padding = 4})
                : trainer.fit(e.data->train, options);
  outcome out;
  out.facts = trainer.facts();
  for (auto const& r : fit.evaluations) {
    out.accuracy.push_back(r.accuracy);
    out.test_loss.push_back(r.loss);
  }
  out.train_loss = fit.epoch_loss;
  out.interrupted = fit.interrupted;
  out.notes = fit.notes;
  long long warmup = 0;
  if constexpr (requires { trainer.values().warmup.minibatches; }) warmup = trainer.values().warmup.minibatches;
  for (auto const& d : fit.diagnostics)
    if (d.update > warmup) out.diagnostics.push_back(d);
  if (fit.diverged) {
    out.diverged_at = fit.diverged->update;
    out.divergence = fit.diverged->text();
  }
  for (auto const& s : trainer.tables().phases.back().facts.stage) out.max_tau = std::max(out.max_tau, s.tau_fwd);
  return out;
}

template <class Trainer>
class timed_trainer : public timed_run {
 public:
  explicit timed_trainer(experiment const& e)
      : workers_(e.workers),
        trainer_(without_evaluation(config_of<Trainer>(e))),
        batches_(e.data->train, {e.microbatch_size, e.microbatches, e.seed, foal::data::ordering::shuffled}) {}

  double run(long long minibatches) override { return work(minibatches, nullptr); }
  foal::schedule::program program() const override { return trainer_.tables().phases.back().program; }

  std::vector<foal::report::span> trace(long long minibatches) override {
    foal::report::trace trace(workers_, 1 << 17);
    work(minibatches + 1 + trainer_.tables().phases.back().facts.periods_after, &trace);
    return foal::report::full_pipeline(trace.spans());
  }

 private:
  static typename Trainer::config without_evaluation(typename Trainer::config c) {
    c.evaluation = false;
    if constexpr (requires { c.warmup.minibatches; }) c.warmup.minibatches = 0;  // the asynchronous phase is what is timed
    c.lr = {};  // a tiny rate: the speed of a step does not depend on it, and nothing can diverge
    if constexpr (requires { c.lr.base; })
      c.lr.base.rate = 1e-6;
    else
      c.lr.rate = 1e-6;
    return c;
  }
  double work(long long minibatches, foal::report::trace* trace) {
    foal::executor::run_request request;
    request.minibatches = minibatches;
    request.traces = trace;
    return trainer_.run(batches_, request).seconds;
  }

  int workers_;
  Trainer trainer_;
  foal::data::batches<foal::data::split> batches_;
};

/// Calls f with a null pointer to the trainer type of a method.
template <class Net, class F>
auto with_trainer(method m, F f) {
  using t = trainers<Net>;
  switch (m) {
    case method::gpipe:
      return f(static_cast<typename t::gpipe*>(nullptr));
    case method::pipedream:
      return f(static_cast<typename t::pipedream*>(nullptr));
    case method::none:
      return f(static_cast<typename t::none*>(nullptr));
    case method::t1:
      return f(static_cast<typename t::t1*>(nullptr));
    case method::t1t2:
      return f(static_cast<typename t::t1t2*>(nullptr));
    case method::t1t2t3:
      break;
  }
  return f(static_cast<typename t::t1t2t3*>(nullptr));
}

template <class Net>
network make_network(char const* name, char const* what) {
  return {name, what, Net::description.input,
          [](experiment const& e) { return with_trainer<Net>(e.method, [&]<class T>(T*) { return train_with<T>(e); }); },
          [](experiment const& e) {
            return with_trainer<Net>(
                e.method, [&]<class T>(T*) -> std::unique_ptr<timed_run> { return std::make_unique<timed_trainer<T>>(e); });
          }};
}

}  // namespace compare
