// What every consumer uses: a net of two stages that learns a small table with PipeMare.
#pragma once

#include <cstdint>
#include <foal/data/memory.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <vector>

#include "consumer_net.hpp"

/// Trains on exclusive or; true if the loss falls to a tenth.
inline bool learns() {
  using run = foal::trainer<consumer_net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum>;
  static_assert(run::stages == 2 && run::delay(0) == 3 && run::delay(1) == 1);
  foal::data::memory<float, std::int32_t> const table(foal::features(2), std::vector<float>{-1, -1, -1, 1, 1, -1, 1, 1},
                                                      std::vector<std::int32_t>{0, 1, 1, 0});
  run t({.microbatch_size = 2, .microbatches = 2, .workers = 2, .lr = {.rate = 0.1}});
  foal::fit_report const report = t.fit(table, {.epochs = 300, .quiet = true});
  return report.epoch_loss.back() < report.epoch_loss.front() / 10;
}
