// Trains one network with one setting; a network's translation unit instantiates make_network once.
#pragma once

#include <algorithm>

#include <foal/data/augment.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "network.hpp"

namespace sweep {

template <class Net, class Schedule, class... Policies>
using run =
    foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::initialisation::he, Policies...>;

/// Four types serve all methods: T1 with K = 0 and T3 of no minibatches leave every bit as it is
/// (tests/sweep/train_test.cpp).
template <class Net>
struct trainers {
  using rescheduled = foal::lr::reschedule<foal::lr::step>;
  using synchronous = run<Net, foal::schedule::gpipe, foal::lr::step>;
  using stash = run<Net, foal::schedule::pipemare, rescheduled, foal::versions::stash>;
  using live = run<Net, foal::schedule::pipemare, rescheduled, foal::warmup::synchronous>;
  using corrected =
      run<Net, foal::schedule::pipemare, rescheduled, foal::delay::discrepancy_correction, foal::warmup::synchronous>;
};

inline int epochs_of(setting const& s) { return s.whole(s.how().only_warmup ? t3_epochs : epochs); }

template <class Trainer>
typename Trainer::config config_of(setting const& s, long long samples) {
  method const& how = s.how();
  typename Trainer::config c;
  c.microbatch_size = s.whole(microbatch_size);
  c.microbatches = s.whole(microbatches);
  c.seed = s.seed;
  c.evaluation_samples = 128;
  if constexpr (requires { Trainer::model_type::initial_gain; }) c.initial.gain = Trainer::model_type::initial_gain;
  if (s.uses(gain)) c.initial.gain = s.number[gain];
  c.optim = {.momentum = s.number[momentum], .weight_decay = s.number[weight_decay]};

  long long const per_epoch = samples / (static_cast<long long>(c.microbatch_size) * c.microbatches);
  foal::lr::step const base{.rate = s.number[rate],
                            .every = s.whole(drop_epoch) > 0 ? s.whole(drop_epoch) * per_epoch : 1LL << 40};
  long long const warmup = how.t3 ? s.whole(t3_epochs) * per_epoch : 0;
  if constexpr (requires { c.lr.base; }) {
    long long const all = epochs_of(s) * per_epoch - warmup;
    c.lr.base = base;
    c.lr.steps = !how.t1                   ? 0
                 : s.number[t1_epochs] > 0 ? static_cast<long long>(s.number[t1_epochs] * static_cast<double>(per_epoch))
                                           : all;
    c.lr.floor = s.number[t1_floor];
  } else {
    c.lr = base;
  }
  if constexpr (requires { c.delay.decay; }) c.delay.decay = s.number[t2_decay];
  if constexpr (requires { c.warmup.minibatches; }) c.warmup.minibatches = warmup;
  return c;
}

template <class Trainer>
outcome train_with(setting const& s, task const& data) {
  Trainer trainer(config_of<Trainer>(s, data.train.size()));
  typename Trainer::fit_options const options{.epochs = epochs_of(s), .evaluate = data.test, .quiet = true};
  foal::fit_report fit;
  if constexpr (requires { Trainer::model_type::padding; })
    fit = trainer.fit(data.train, options, foal::data::augment::flip{},
                      foal::data::augment::crop{.padding = Trainer::model_type::padding});
  else
    fit = trainer.fit(data.train, options);
  outcome out;
  for (auto const& r : fit.evaluations) out.accuracy.push_back(r.accuracy);
  out.train_loss = fit.epoch_loss;
  out.seconds = fit.seconds;
  if (fit.diverged) {
    out.diverged_at = fit.diverged->update;
    out.divergence = fit.diverged->text();
  }
  for (auto const& stage : trainer.tables().phases.back().facts.stage) out.max_tau = std::max(out.max_tau, stage.tau_fwd);
  return out;
}

template <class Net>
outcome train(setting const& s, task const& data) {
  using t = trainers<Net>;
  method const& how = s.how();
  if (!how.asynchronous) return train_with<typename t::synchronous>(s, data);
  if (how.stash) return train_with<typename t::stash>(s, data);
  if (how.t2) return train_with<typename t::corrected>(s, data);
  return train_with<typename t::live>(s, data);
}

template <class Net>
network make_network(char const* name, char const* what) {
  return {name, what, foal::stage_count<Net>, &train<Net>};
}

}  // namespace sweep
