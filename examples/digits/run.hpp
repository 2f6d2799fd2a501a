// What programs that train tanh nets on 8 x 8 digits can be asked for, and the config of a trainer that follows from it.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <string>

#include "../resnet/load.hpp"
#include "../t3/epochs.hpp"

namespace digits {

struct run {
  std::string data = "handwritten", json;
  int epochs = 12, drop_epoch = 0, t3_epochs = -1, seeds = 3;
  int microbatches = 8, microbatch_size = 4;
  double rate = 0.01, momentum = 0.9;
  std::uint64_t seed = 1;

  /// Minibatches of an epoch.
  long long per_epoch(long long samples) const { return samples / (static_cast<long long>(microbatch_size) * microbatches); }
};

/// The options for the values of r; least_seeds: 0 where a program does something without training.
inline void add_options(CLI::App& app, run& r, int least_seeds) {
  app.add_option("--data", r.data, "handwritten (generated), or digits:DIR (IDX files, .gz too)");
  app.add_option("--epochs", r.epochs)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--drop-epoch", r.drop_epoch, "the rate is divided by 10 every so many epochs; by default after 2/3")
      ->check(CLI::PositiveNumber);
  app.add_option("--t3-epochs", r.t3_epochs, "synchronous epochs of T3; by default a quarter of all")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seeds", r.seeds, least_seeds == 0 ? "runs of each method; 0: memory alone" : "runs of each method")
      ->check(least_seeds == 0 ? CLI::Validator(CLI::NonNegativeNumber) : CLI::Validator(CLI::PositiveNumber))
      ->capture_default_str();
  app.add_option("--seed", r.seed, "the first seed");
  app.add_option("--rate", r.rate, "learning rate")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--momentum", r.momentum)->check(CLI::Range(0.0, 1.0))->capture_default_str();
  app.add_option("--microbatches", r.microbatches, "N")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--microbatch-size", r.microbatch_size, "M")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--json", r.json, "write the numbers as an array of rows to this file");
}

/// The data, after what was not asked for has its default. Throws foal::error where T3 would leave no epoch, or
/// images are not of the shape `input`.
inline foal::data::dataset load(run& r, foal::shape const& input) {
  if (r.drop_epoch == 0) r.drop_epoch = std::max(1, r.epochs * 2 / 3);
  r.t3_epochs = t3::epochs(r.t3_epochs, std::max(1, r.epochs / 4), r.epochs, "--t3-epochs");
  foal::data::dataset data = resnet::load(r.data);
  foal::require(data.train.sample() == input, "cannot train on ", r.data,
                ", because its images are not 8 x 8 and grey; use digits:DIR or handwritten");
  return data;
}

/// With a trainer that warms up, T3 for t3_epochs and T1's K all updates after them.
template <class Trainer>
typename Trainer::config config_of(run const& r, long long samples, int t3_epochs, std::uint64_t seed) {
  long long const per_epoch = r.per_epoch(samples);
  typename Trainer::config c;
  c.microbatch_size = r.microbatch_size;
  c.microbatches = r.microbatches;
  c.seed = seed;
  c.evaluation_samples = 128;
  c.initial.gain = 1;  // keeps the variance of tanh units
  c.optim.momentum = r.momentum;
  auto const set = [&](auto& step) {
    step.rate = r.rate;
    step.every = r.drop_epoch * per_epoch;
  };
  if constexpr (requires { c.lr.base; }) {
    set(c.lr.base);
    c.lr.steps = (r.epochs - t3_epochs) * per_epoch;
    c.warmup.minibatches = t3_epochs * per_epoch;
  } else {
    set(c.lr);
  }
  return c;
}

}  // namespace digits
