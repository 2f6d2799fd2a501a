// What a sweep asks of a network's translation unit: train it once.
#pragma once

#include <string>
#include <vector>

#include <foal/data/memory.hpp>

#include "setting.hpp"

namespace sweep {

/// Two splits as plain numbers.
struct task {
  foal::data::memory<> train, test;
  int classes = 10;
};

struct outcome {
  std::vector<double> accuracy;  ///< on the test split after each epoch
  std::vector<double> train_loss;
  long long diverged_at = -1;  ///< update, -1: it did not
  std::string divergence;      ///< the sentence
  double max_tau = 0, seconds = 0;
};

struct network {
  char const* name;
  char const* what;
  int stages;
  outcome (*train)(setting const&, task const&);
};

network const& mlp();
network const& deep24();
network const& deep40();
network const& resnet20();

}  // namespace sweep
