// What the program asks of a network's translation unit: train it once with one method and tell what happened.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/split.hpp>
#include <foal/report/facts.hpp>

#include "../options/checkpointing.hpp"
#include "../options/stalls.hpp"

namespace resnet {

/// gpipe: synchronous. pipedream: asynchronous with stashed weights. The others are asynchronous with live weights: nothing
/// done about it, or PipeMare's T1, T2 and T3.
struct method {
  char const* name;
  bool asynchronous = true, stash = false, t1 = false, t2 = false, t3 = false;
};
inline constexpr method methods[] = {
    {"gpipe", false},          {"pipedream", true, true},         {"none"},
    {"t1", true, false, true}, {"t1t2", true, false, true, true}, {"t1t2t3", true, false, true, true, true}};

/// Throws foal::error for a name that no method has.
inline method const& method_named(std::string_view name) {
  std::string known;
  for (method const& m : methods) {
    if (name == m.name) return m;
    known += (known.empty() ? "" : ", ") + std::string(m.name);
  }
  throw foal::error(
      foal::sentence("cannot train with the method '", name, "', because there is none of that name; use ", known));
}

struct epoch_result {
  int epoch = 0;
  double train_loss = 0, test_loss = 0, accuracy = 0;
};

/// Everything one run depends on.
struct experiment {
  resnet::method method = methods[5];
  foal::data::dataset const* data = nullptr;
  std::uint64_t seed = 1;
  int epochs = 1, drop_epoch = 1, warmup_epochs = 0;  ///< drop_epoch: until the rate is divided by 10; warm-up: T3
  long long minibatches = 0;                          ///< above 0: train so many instead of whole epochs
  int microbatch_size = 8, microbatches = 8, workers = 1, replicas = 1;
  int segment = -1;  ///< stages that are recomputed together; 0: the square root of all; -1: no recomputation
  double rate = 0.05, momentum = 0.9, weight_decay = 0;
  bool augment = false, quiet = false;
  options::checkpointing saves{};  ///< of whole epochs
  options::stalls stalls{};
  std::function<void(foal::report::facts const&)> begun{};  ///< after everything is allocated
  std::function<void(epoch_result const&)> tested{};        ///< after each epoch; its training loss is not known yet
};

struct outcome {
  std::vector<epoch_result> epochs;
  std::string divergence;  ///< the sentence; empty: it did not
  long long updates = 0;
  double seconds = 0, samples_per_second = 0;
  int interrupted = 0;  ///< the signal
};

struct network {
  char const* name;
  foal::shape input;
  outcome (*train)(experiment const&);
};

/// For images of 3 x 32 x 32, and of 1 x 8 x 8.
network const& resnet20_cifar();
network const& resnet50_cifar();
network const& resnet20_digits();
network const& resnet50_digits();

}  // namespace resnet
