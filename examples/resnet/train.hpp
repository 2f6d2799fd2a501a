// The methods as trainer types over one network; a network's translation unit instantiates make_network once.
#pragma once

#include <algorithm>

#include <foal/data/augment.hpp>
#include <foal/executor/as_launched.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/resnet.hpp>

#include "experiment.hpp"

namespace resnet {

template <class Net, class Schedule, class... Policies>
using run = foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::initialisation::he,
                          foal::executor::as_launched, Policies...>;

/// T1 with K = 0 and T3 of no minibatches change no bit, so one type serves `none` and `t1`, and one `t1t2` and `t1t2t3`.
template <class Net>
struct trainers {
  using rescheduled = foal::lr::reschedule<foal::lr::step>;
  using synchronous = run<Net, foal::schedule::gpipe, foal::lr::step>;
  using synchronous_again = run<Net, foal::schedule::recomputed<foal::schedule::gpipe>, foal::lr::step>;
  using stash = run<Net, foal::schedule::pipemare, foal::lr::step, foal::versions::stash>;
  using live = run<Net, foal::schedule::pipemare, rescheduled>;
  using corrected =
      run<Net, foal::schedule::pipemare, rescheduled, foal::delay::discrepancy_correction, foal::warmup::synchronous>;
  using corrected_again = run<Net, foal::schedule::recomputed<foal::schedule::pipemare>, rescheduled,
                              foal::delay::discrepancy_correction, foal::warmup::synchronous>;
};

inline long long minibatches_per_epoch(experiment const& e) {
  return e.data->train.size() / (static_cast<long long>(e.microbatch_size) * e.microbatches);
}

/// T1's K is all asynchronous updates of the run.
template <class Trainer>
typename Trainer::config config_of(experiment const& e) {
  long long const per_epoch = minibatches_per_epoch(e);
  long long const all = e.minibatches > 0 ? e.minibatches : e.epochs * per_epoch;
  long long const warmup = e.method.t3 ? e.warmup_epochs * per_epoch : 0;
  typename Trainer::config c;
  c.microbatch_size = e.microbatch_size;
  c.microbatches = e.microbatches;
  c.workers = e.workers;
  c.replicas = e.replicas;
  c.seed = e.seed;
  c.evaluation_samples = 25;  // a ResNet-50 evaluates with 27 MiB a sample
  c.optim = {.momentum = e.momentum, .weight_decay = e.weight_decay};
  foal::lr::step const base{.rate = e.rate, .every = e.drop_epoch * per_epoch};
  if constexpr (requires { c.lr.base; })
    c.lr = {.base = base, .steps = e.method.t1 ? all - warmup : 0};
  else
    c.lr = base;
  if constexpr (requires { c.warmup.minibatches; }) c.warmup.minibatches = warmup;
  if constexpr (requires { c.schedule.segment; }) c.schedule.segment = e.segment;
  return c;
}

/// Whole epochs, with an evaluation after each.
template <class Trainer, class... Augment>
outcome train_epochs(Trainer& trainer, experiment const& e, Augment... augment) {
  typename Trainer::fit_options options{.epochs = e.epochs, .evaluate = e.data->test, .quiet = e.quiet};
  options.hooks.stall_seconds = e.stalls.seconds;
  options.checkpoint = e.saves.of();
  outcome out;
  auto const result_of = [&](foal::evaluation_result const& r) {
    return epoch_result{static_cast<int>(r.update / minibatches_per_epoch(e)), 0, r.loss, r.accuracy};
  };
  options.hooks.evaluated = [&](foal::evaluation_result const& r) {
    if (e.tested) e.tested(result_of(r));
  };
  foal::fit_report const fit = trainer.fit(e.data->train, options, augment...);
  for (auto const& r : fit.evaluations) out.epochs.push_back(result_of(r));
  for (std::size_t i = 0; i < std::min(out.epochs.size(), fit.epoch_loss.size()); ++i)
    out.epochs[i].train_loss = fit.epoch_loss[i];
  if (fit.diverged) out.divergence = fit.diverged->text();
  out.interrupted = fit.interrupted;
  out.updates = fit.updates;
  out.seconds = fit.seconds;
  out.samples_per_second = fit.samples_per_second;
  return out;
}

/// So many minibatches, with one evaluation at the end.
template <class Trainer, class... Augment>
outcome train_minibatches(Trainer& trainer, experiment const& e, Augment... augment) {
  foal::data::batches<foal::data::split, Augment...> const batches(
      e.data->train, {e.microbatch_size, e.microbatches, e.seed, foal::data::ordering::shuffled}, augment...);
  long long const samples = e.minibatches * e.microbatches * e.microbatch_size;
  foal::report::progress progress(samples, {.quiet = e.quiet});
  foal::executor::run_request request;
  request.minibatches = e.minibatches;
  request.tick = [&](long long microbatches) { progress.update(microbatches * e.microbatch_size); };
  foal::executor::run_result const result = trainer.run(batches, request);
  progress.finish();
  outcome out;
  out.updates = trainer.updates();
  out.seconds = result.seconds;
  if (result.diverged) {
    out.divergence = result.diverged->text();
    return out;
  }
  out.samples_per_second = static_cast<double>(samples) / result.seconds;
  auto const test = trainer.evaluate(e.data->test);
  out.epochs.push_back({0, result.sums.front().sum / result.sums.front().weight, test.loss, test.accuracy});
  if (e.tested) e.tested(out.epochs.back());
  return out;
}

template <class Trainer>
outcome train_with(experiment const& e) {
  Trainer trainer(config_of<Trainer>(e));
  if (e.begun) e.begun(trainer.facts());
  auto const train = [&](auto... augment) {
    return e.minibatches > 0 ? train_minibatches(trainer, e, augment...) : train_epochs(trainer, e, augment...);
  };
  return e.augment ? train(foal::data::augment::flip{}, foal::data::augment::crop{.padding = 4}) : train();
}

template <class Net>
outcome train(experiment const& e) {
  using t = trainers<Net>;
  bool const again = e.segment >= 0;
  if (!e.method.asynchronous)
    return again ? train_with<typename t::synchronous_again>(e) : train_with<typename t::synchronous>(e);
  if (e.method.t2) return again ? train_with<typename t::corrected_again>(e) : train_with<typename t::corrected>(e);
  foal::require(!again, "cannot recompute with the method ", e.method.name,
                ", because this program has recomputation with gpipe, t1t2 and t1t2t3 alone; use one of those");
  return e.method.stash ? train_with<typename t::stash>(e) : train_with<typename t::live>(e);
}

template <class Net>
network make_network(char const* name) {
  return {name, Net::description.input, &train<Net>};
}

}  // namespace resnet
