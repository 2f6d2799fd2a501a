// What an executor is given: a lowered model, its policies as functions, and the programs of a run. No types of the model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <foal/lower/functions.hpp>
#include <foal/lr/concept.hpp>
#include <foal/schedule/analysis.hpp>
#include <foal/schedule/program.hpp>

namespace foal::executor {

/// One part of a run on one program: the synchronous warm-up, or the rest.
struct phase_table {
  std::string name;
  schedule::program program;
  std::vector<int> program_delays;  ///< injected, per stage; else empty
  schedule::analysis facts;
  bool stashes = false;  ///< B reads the version that its F read
};

/// A model with everything that trains it. The policies' values are pointed to, so they may change between runs.
struct run_tables {
  std::string model_name;
  std::vector<lower::stage_table> stages;
  std::size_t scalar_bytes = sizeof(float);
  lower::device_functions device;
  lower::loss_functions loss;
  lower::policy_functions policies;
  void const* loss_value = nullptr;
  void const* optimizer_value = nullptr;
  void const* delay_value = nullptr;
  double (*rate)(void const* lr, lr::moment) = nullptr;
  void const* rate_value = nullptr;
  bool compensates = false;      ///< the delay policy does something
  bool exact_lag = false;
  bool clips = false;
  double clip_norm = 0;
  int least_samples = 1;
  void (*initialise)(lower::parameter_row const&, std::uint64_t seed, void const* policy, void* host_to) = nullptr;
  void const* initialise_value = nullptr;
  std::vector<phase_table> phases;  ///< in the order of a run; the last one is the schedule itself
  int ranks = 1;
  std::vector<int> rank_of;         ///< of each stage
};

/// Where microbatches come from; functions of the global microbatch number alone, called from workers.
struct source_functions {
  void const* self = nullptr;
  void (*inputs)(void const* self, long long microbatch, void* x, void* scratch) = nullptr;
  void (*targets)(void const* self, long long microbatch, void* t) = nullptr;
};

/// Samples to evaluate on: chunks of at most `chunk` samples, in order.
struct evaluation_source {
  void const* self = nullptr;
  long long samples = 0;
  void (*inputs)(void const* self, long long first, int samples, void* x) = nullptr;
  void (*targets)(void const* self, long long first, int samples, void* t) = nullptr;
};

/// Values of a run.
struct run_values {
  int microbatch_size = 1;  ///< M
  int microbatches = 1;     ///< N
  int workers = 1;
  std::uint64_t seed = 1;
  bool evaluation = true;   ///< plan the copies that evaluations need
  int evaluation_samples = 64;
  bool pin = false;         ///< worker i to CPU i
};

}  // namespace foal::executor
