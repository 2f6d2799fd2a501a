// The one file that nvcc compiles: the net on foal::device::cuda, and what trains it.
#include "training.hpp"

#include <foal/cuda.hpp>
#include <foal/executor/as_launched.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <utility>

#include "../consumer_net.hpp"

training train_on_gpu(table const& data, int epochs) {
  foal::trainer<consumer_net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum,
                foal::on<foal::device::cuda>, foal::executor::as_launched>
      run({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.1}});
  std::string facts = run.facts().text();
  return {std::move(facts), run.fit(data, {.epochs = epochs, .quiet = true})};
}
