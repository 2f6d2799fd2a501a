// The paper's comparison on one GPU: a net with all its stages, synchronous or by PipeMare, and what it learns.
#pragma once

#include <foal/data/memory.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include "measure.cuh"

namespace bench::on_cuda {

struct curve_plan {
  int microbatches = 8, microbatch_size = 8, workers = 1, epochs = 1;
  long long warmup = 0;  ///< minibatches of T3
  double rate = 0.01;
  double seconds = 1e9;   ///< no epoch is begun after so many
  std::string metrics{};  ///< a JSON-lines file: a line an epoch
};

/// GPipe, or PipeMare with T1, T2 and T3; momentum 0.9.
template <class Net, class Device, class Source>
foal::fit_report train_curve(bool asynchronous, curve_plan const& p, Source const& train, Source const& test) {
  auto const fit = [&]<class Run>(typename Run::config c) {
    c.microbatch_size = p.microbatch_size;
    c.microbatches = p.microbatches;
    c.workers = p.workers;
    c.optim.momentum = 0.9;  // one by one: nvcc takes a braced list's names for places in it where the type is dependent
    c.optim.weight_decay = 5e-4;
    c.evaluation_samples = std::min(25, static_cast<int>(test.size()));
    Run run(c);
    double const begin = now_seconds();
    foal::executor::run_request hooks;
    hooks.evaluated = [&](foal::executor::evaluation_result const&) {
      return now_seconds() - begin < p.seconds ? foal::training::goes_on : foal::training::ends;
    };
    return run.fit(train,
                   {.epochs = p.epochs, .evaluate = test, .quiet = true, .metrics = p.metrics, .hooks = std::move(hooks)});
  };
  using foal::optim::momentum;
  using cross_entropy = foal::loss::cross_entropy;
  using base = foal::on<Device>;
  using flushed = foal::trainer<Net, cross_entropy, foal::schedule::gpipe, momentum, base, foal::executor::threads>;
  using pipemare = foal::trainer<Net, cross_entropy, foal::schedule::pipemare, momentum, base, foal::executor::threads,
                                 foal::lr::reschedule<foal::lr::constant>, foal::delay::discrepancy_correction,
                                 foal::warmup::synchronous>;
  if (!asynchronous) {
    typename flushed::config c{.microbatch_size = 1, .microbatches = 1};
    c.lr.rate = p.rate;
    return fit.template operator()<flushed>(c);
  }
  typename pipemare::config c{.microbatch_size = 1, .microbatches = 1};
  c.lr.base.rate = p.rate;
  c.lr.steps = 500;
  c.warmup.minibatches = p.warmup;
  return fit.template operator()<pipemare>(c);
}

}  // namespace bench::on_cuda
