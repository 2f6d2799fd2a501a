// What the laboratory asks of a network's translation unit: train it once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "method.hpp"
#include "profile.hpp"

namespace delay_lab {

struct setting {
  method const* how = nullptr;
  delay_lab::profile profile{};
  double rate = 0.01;
  std::uint64_t seed = 1;
  int updates = 400;
  int enlarged = 1;  ///< minibatches of the net's in one
};

struct outcome {
  std::vector<double> loss;     ///< on samples that are not trained on, of the weights to read out, every `every` updates
  std::vector<double> average;  ///< of their mean over the last tenth of the run so far, 100 updates at most
  std::vector<double> tail;     ///< over the method's `window` of the run so far
  int every = 1;
  long long diverged_at = -1;
  double max_tau = 0;
  double bytes_relative = 0;  ///< weights, gradient and all that is kept beside them, in weights
};

struct network {
  char const* name;
  char const* what;
  int stages;
  int usual;    ///< updates
  double rate;  ///< by which the methods' usual rates are multiplied
  bool (*has)(answer);
  outcome (*train)(setting const&);
};

network const& mlp();
network const& quadratic();
network const& noisy();
network const& gpt();
network const& digits();

/// Whether the net can be trained so: its translation unit has the delay policy, and the policy works with these delays.
bool is_possible(network const& n, method const& m, profile const& p);

/// The text that the GPT learns, before its first run; by default spelled-out numbers. Throws foal::error where there is
/// none.
void read_text(std::string const& path);

}  // namespace delay_lab
