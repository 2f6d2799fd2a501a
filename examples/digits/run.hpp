// What programs that train tanh nets on 8 x 8 digits can be asked for, and the config of a trainer that follows from it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "../options/arguments.hpp"
#include "../options/minibatches.hpp"
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
  long long per_epoch(long long samples) const {
    return options::minibatches_per_epoch(samples, microbatch_size, microbatches);
  }
};

/// The options for the values of r; least_seeds: 0 where a program does something without training.
inline void add_options(options::arguments& a, run& r, int least_seeds) {
  using namespace options;
  a.text("--data", r.data, "handwritten (generated), or digits:DIR (IDX files, .gz too)");
  a.whole("--epochs", r.epochs, 1, most, "");
  a.whole("--drop-epoch", r.drop_epoch, 1, most, "the rate is divided by 10 every so many epochs; by default after 2/3");
  a.whole("--t3-epochs", r.t3_epochs, 0, most, "synchronous epochs of T3; by default a quarter of all");
  a.whole("--seeds", r.seeds, least_seeds, most,
          least_seeds == 0 ? "runs of each method; 0: memory alone" : "runs of each method");
  a.seed(r.seed, "the first seed");
  a.number("--rate", r.rate, positive, "learning rate");
  a.number("--momentum", r.momentum, share, "");
  a.whole("--microbatches", r.microbatches, 1, most, "N");
  a.whole("--microbatch-size", r.microbatch_size, 1, most, "M");
  a.output("--json", r.json, "write the numbers as an array of rows to this file");
}

/// The data, after what was not asked for has its default. Throws foal::error where T3 would leave no epoch, or
/// images are not of the shape `input`, or a minibatch is larger than the data.
inline foal::data::dataset load(run& r, foal::shape const& input) {
  if (r.drop_epoch == 0) r.drop_epoch = std::max(1, r.epochs * 2 / 3);
  r.t3_epochs = t3::epochs(r.t3_epochs, std::max(1, r.epochs / 4), r.epochs, "--t3-epochs");
  foal::data::dataset data = resnet::load(r.data);
  foal::require(data.train.sample() == input, "cannot train on ", r.data,
                ", because its images are not 8 x 8 and grey; use digits:DIR or handwritten");
  r.per_epoch(data.train.size());
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
  if constexpr (requires { c.initial.gain; }) c.initial.gain = 1;  // keeps the variance of tanh units
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
