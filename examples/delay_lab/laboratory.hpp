// Searches each method's rate on some seeds, runs it at its best on others, and measures it beside a run without delay.
#pragma once

#include <string>
#include <vector>

#include "results.hpp"

namespace delay_lab {

struct plan {
  std::vector<method const*> methods;
  std::vector<profile> profiles;  ///< with delay
  int seeds = 5, searched = 1;    ///< runs that are measured, and that search the rate
  int rates = 3;                  ///< of the grid, which grows where its best is at an end
  int updates = 0;                ///< 0: the net's usual ones
  int enlarged = 1;               ///< minibatches of the net's in one
  int jobs = 1;
  std::string results;
};

/// A method under a profile at its best rate: its runs beside those without delay.
struct judged {
  method const* how = nullptr;
  delay_lab::profile profile{};
  double rate = 0, bytes_relative = 0, max_tau = 0;
  int every = 1;
  std::vector<std::vector<double>> curves{};  ///< a seed each, smoothed: the best of weights and averages at each point
  std::vector<double> ratios{};               ///< to the same method without delay
  std::vector<double> to_best{};              ///< to the best method without delay
  std::vector<long long> diverged_at{};

  double final_loss(std::size_t seed) const;  ///< infinite where it diverged
};

/// All of them; first those without delay, once for each optimizer. Combinations that is_possible() denies are left out.
std::vector<judged> judge_all(network const& n, plan const& p, outcomes& known);

}  // namespace delay_lab
