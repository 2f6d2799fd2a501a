// A lowered run: stages, policies and device as functions, the programs. All that executors know; no types of the model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <foal/policy/lr/concept.hpp>
#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/program.hpp>
#include <foal/table/functions.hpp>
#include <foal/table/hook.hpp>

namespace foal::table {

/// One part of a run on one program: the synchronous warm-up, or the rest.
struct phase_table {
  std::string name;
  schedule::program program;
  schedule::analysis facts;
  schedule::version_reads reads;           ///< the versions that ops read
  bool delayed = false;                    ///< some F may read older weights than those that its minibatch changes
  std::vector<schedule::gradients> wants;  ///< what each stage's backward is for; empty: both everywhere
  bool inference = false;                  ///< no stage has a backward

  schedule::gradients wanted(int stage) const {
    if (inference) return schedule::gradients::none;
    return wants.empty() ? schedule::gradients::both : wants[static_cast<std::size_t>(stage)];
  }
};

/// A model with everything that trains it. The policies' values are pointed to, so they may change between runs.
struct run_tables {
  std::string model_name;
  std::vector<stage_table> stages;
  std::size_t scalar_bytes = sizeof(float);
  device_functions device;
  loss_functions loss;
  policy_functions policies;
  void const* loss_value = nullptr;
  void const* optimizer_value = nullptr;
  void const* delay_value = nullptr;
  double (*rate)(void const* lr, lr::moment) = nullptr;
  void const* rate_value = nullptr;
  bool compensates = false;  ///< the delay policy does something
  bool exact_lag = false;
  clip_functions clip;
  void const* clip_value = nullptr;
  bool thick = false;  ///< weight gradients once a minibatch
  int least_samples = 1;
  void (*initialise)(parameter_row const&, std::uint64_t seed, void const* policy, void* host_to) = nullptr;
  void const* initialise_value = nullptr;
  /// Null, or what ops do instead of computing (device::timed).
  void (*wait)(void const* times, schedule::op_kind kind, int stage) = nullptr;
  void const* wait_value = nullptr;
  hook_functions hook;  ///< after U
  void* hook_value = nullptr;
  std::vector<phase_table> phases;  ///< in the order of a run; the last one is the schedule itself
  int ranks = 1;
  std::vector<int> rank_of;  ///< of each stage
};

}  // namespace foal::table
