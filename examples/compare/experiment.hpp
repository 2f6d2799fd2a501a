// What compare asks of a network's translation unit: train it with one method, or measure one method's speed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <foal/data/split.hpp>
#include <foal/report/facts.hpp>
#include <foal/report/trace.hpp>
#include <foal/schedule/program.hpp>
#include <foal/table/diagnostic.hpp>

#include "../options/checkpointing.hpp"
#include "../options/stalls.hpp"

namespace compare {

enum class method { gpipe, pipedream, none, t1, t1t2, t1t2t3 };
inline constexpr method methods[] = {method::gpipe, method::pipedream, method::none,
                                     method::t1,    method::t1t2,      method::t1t2t3};

/// Short names for tables and files, long ones for people.
constexpr char const* name(method m) {
  constexpr char const* names[] = {"gpipe", "pipedream", "none", "t1", "t1t2", "t1t2t3"};
  return names[static_cast<int>(m)];
}
constexpr char const* title(method m) {
  constexpr char const* titles[] = {"GPipe", "PipeDream", "uncorrected", "T1", "T1+T2", "T1+T2+T3 (PipeMare)"};
  return titles[static_cast<int>(m)];
}

/// Everything one run depends on.
struct experiment {
  compare::method method = method::gpipe;
  foal::data::dataset const* data = nullptr;
  std::uint64_t seed = 1;
  int epochs = 1;
  int microbatch_size = 8, microbatches = 4, workers = 1, replicas = 1;
  double rate = 0.02, momentum = 0.9, weight_decay = 0;
  int drop_epoch = 0;                 ///< epochs until the rate is divided by 10; 0: never
  int warmup_epochs = 0;              ///< T3
  double decay = 0.1353352832366127;  ///< T2's D
  bool augment = false;               ///< random flips and shifts
  bool diagnostics = false;           ///< measure what delay does, once an epoch
  bool quiet = true;
  options::checkpointing saves{};
  options::stalls stalls{};
};

struct outcome {
  std::vector<double> accuracy, test_loss, train_loss;  ///< after each epoch
  long long diverged_at = -1;                           ///< update, -1: it did not
  std::string divergence;                               ///< the sentence
  std::vector<foal::table::diagnostic> diagnostics;     ///< after the synchronous warm-up
  double max_tau = 0;
  int interrupted = 0;             ///< the signal
  std::vector<std::string> notes;  ///< of the fit
  foal::report::facts facts;
};

/// One method, ready to be timed on its own: run(n) trains n minibatches and gives the seconds.
struct timed_run {
  virtual ~timed_run() = default;
  virtual double run(long long minibatches) = 0;
  /// Spans of about n minibatches' ops with the pipeline full: from the first B of stage 0 to its last F.
  virtual std::vector<foal::report::span> trace(long long minibatches) = 0;
  /// The method's program, and the synchronous one of its warm-up.
  virtual foal::schedule::program program() const = 0;
};

struct network {
  char const* name;
  char const* what;
  foal::shape input;
  outcome (*train)(experiment const&);
  std::unique_ptr<timed_run> (*time)(experiment const&);
};

network const& mlp();
network const& digits();
network const& mnist();
network const& cifar();
network const& resnet20();

}  // namespace compare
