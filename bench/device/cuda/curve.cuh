// The paper's comparison on one GPU: a net with all its stages, synchronous or by PipeMare, and what it learns.
#pragma once

#include <foal/data/memory.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <string>

#include "measure.cuh"

namespace bench::on_cuda {

struct curve_plan {
  int microbatches = 8, microbatch_size = 8, workers = 1, epochs = 1;
  double seconds = 1e9;   ///< no epoch is begun after so many
  std::string metrics{};  ///< a JSON-lines file: a line an epoch
};

/// GPipe, or PipeMare with T1 and T2; momentum 0.9. Gives the updates, and fills `last`.
template <class Net, class Device, class Source>
foal::fit_report train_curve(bool asynchronous, curve_plan const& p, Source const& train, Source const& test) {
  auto const fit = [&](auto& run) {
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
  if (!asynchronous) {
    foal::trainer<Net, cross_entropy, foal::schedule::gpipe, momentum, base, foal::executor::threads> run(
        {.microbatch_size = p.microbatch_size, .microbatches = p.microbatches, .workers = p.workers, .lr = {.rate = 0.05}});
    return fit(run);
  }
  foal::trainer<Net, cross_entropy, foal::schedule::pipemare, momentum, base, foal::executor::threads,
                foal::lr::reschedule<foal::lr::constant>, foal::delay::discrepancy_correction>
      run({.microbatch_size = p.microbatch_size,
           .microbatches = p.microbatches,
           .workers = p.workers,
           .lr = {.base = {.rate = 0.05}, .steps = 500}});
  return fit(run);
}

}  // namespace bench::on_cuda
