// foal's side of the comparison with torch.distributed.pipelining: a net on two ranks, on threads or processes.
#pragma once

#include <memory>
#include <string>

#include <foal/executor/as_launched.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/zb_v.hpp>
#include <foal/trainer.hpp>

#include "../versus_libtorch/ours.hpp"

namespace bench::versus {

/// On two ranks: of this process, or one here and one in the other process.
template <class Net, class Schedule>
class pipelined final : public side {
  using trainer =
      foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::executor::as_launched>;

 public:
  pipelined(workload const& w, batches const& data) : w_(w), source_{data, w.microbatch}, trainer_(settings(w)) {}

  std::vector<double> train(int minibatches) override {
    foal::executor::run_request request;
    request.minibatches = minibatches;
    request.every_loss = true;
    auto const result = trainer_.run(source_, request);
    std::vector<double> mean(static_cast<std::size_t>(minibatches), 0);
    std::size_t const n = result.losses.size() / mean.size();
    for (std::size_t i = 0; i < n * mean.size(); ++i) mean[i / n] += result.losses[i].sum / w_.minibatch;
    return mean;
  }

 private:
  static typename trainer::config settings(workload const& w) {
    typename trainer::config c{.microbatch_size = w.microbatch,
                               .microbatches = w.minibatch / w.microbatch,
                               .ranks = 2,
                               .optim = {.momentum = momentum},
                               .lr = {.rate = w.rate},
                               .evaluation = false};
    c.workers = 2 / foal::executor::as_launched::place().count;
    c.pin = c.workers == 2;
    return c;
  }

  workload w_;
  feed source_;
  trainer trainer_;
};

template <class Net>
std::unique_ptr<side> train_with_schedule(std::string const& name, workload const& w, batches const& data) {
  namespace schedule = foal::schedule;
  if (name == "gpipe") return std::make_unique<pipelined<Net, schedule::gpipe>>(w, data);
  if (name == "one_f_one_b") return std::make_unique<pipelined<Net, schedule::one_f_one_b>>(w, data);
  if (name == "interleaved") return std::make_unique<pipelined<Net, schedule::interleaved>>(w, data);
  if (name == "zb_v") return std::make_unique<pipelined<Net, schedule::zb_v>>(w, data);
  foal::require(name == "async_1f1b", "cannot train with the schedule ", name,
                ", because it is none of gpipe, one_f_one_b, interleaved, zb_v and async_1f1b; give one of them");
  return std::make_unique<pipelined<Net, schedule::async_1f1b>>(w, data);
}

network describe_mlp();
network describe_resnet20();
std::unique_ptr<side> pipelined_mlp(std::string const& schedule, workload const& w, batches const& data);
std::unique_ptr<side> pipelined_resnet20(std::string const& schedule, workload const& w, batches const& data);

}  // namespace bench::versus
