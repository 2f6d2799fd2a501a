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
  std::vector<int> least_delay;            ///< by stage: the least v_U - v_F of a microbatch
  bool delayed = false;                    ///< some F may read older weights than those that its minibatch changes
  std::vector<schedule::gradients> wants;  ///< what each stage's backward is for; empty: both everywhere
  bool inference = false;                  ///< no stage has a backward

  schedule::gradients wanted(int stage) const {
    if (inference) return schedule::gradients::none;
    return wants.empty() ? schedule::gradients::both : wants[static_cast<std::size_t>(stage)];
  }
};

/// What the elements of a run's arrays are. Every array of one purpose in a stage is of one type, so places in it are
/// counted in elements. delay: the delay policy's states; activations: as they are computed, with their gradients (how they
/// are kept and sent, each tensor and wire entry says).
struct element_types {
  element weights = element::float32, gradients = element::float32, optimizer = element::float32;
  element delay = element::float32, statistics = element::float32, activations = element::float32;
};

/// A model with everything that trains it. The policies' values are pointed to, so they may change between runs.
struct run_tables {
  std::string model_name;
  std::vector<stage_table> stages;
  /// Of a schedule with segments: how many of them a microbatch's sequences come in. `stages` are then of one segment, and
  /// `whole` the same stages for whole sequences.
  int segments = 1;
  std::vector<stage_table> whole;
  int targets_entry = -1;  ///< the model's input that holds the targets; -1: none
  element_types types;
  device_functions device;
  std::vector<codec_functions> codecs;  ///< of kept and sent arrays, by the numbers in their encodings
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
  int replicas = 1;  ///< of every stage, which share its table
  replica_functions replica;
  std::vector<int> rank_of;  ///< of each unit

  /// The stages as evaluations run them, and as sources know the model's inputs.
  std::vector<stage_table> const& whole_stages() const { return whole.empty() ? stages : whole; }

  // A unit is a stage of a replica: unit replica * stages + stage.
  std::size_t units() const { return stages.size() * static_cast<std::size_t>(replicas); }
  std::size_t stage_of(std::size_t unit) const { return unit % stages.size(); }
  stage_table const& of_unit(std::size_t unit) const { return stages[stage_of(unit)]; }
  /// Whether a wire comes into the unit's stage, and whether one leaves it.
  bool is_first(std::size_t unit) const { return stage_of(unit) == 0; }
  bool is_last(std::size_t unit) const { return stage_of(unit) + 1 == stages.size(); }
};

/// What the elements of a kept or sent array are in memory.
template <class Array>
element stored_as(run_tables const& t, Array const& x) {
  return x.code.coded() ? t.codecs[static_cast<std::size_t>(x.code.codec)].stored : x.type;
}

}  // namespace foal::table
