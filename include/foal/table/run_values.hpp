// What an executor is given besides the tables: where samples come from, and the numbers of a run.
#pragma once

#include <cstdint>
#include <vector>

#include <foal/core/recording.hpp>
#include <foal/table/diagnostic.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::table {

/// Where microbatches come from; functions of the microbatch number alone, called from workers.
struct source_functions {
  void const* self = nullptr;
  long long shift = 0;  ///< its number of a microbatch is that of the run and this
  void (*inputs)(void const* self, long long microbatch, int entry, void* x, void* scratch) = nullptr;
  void (*targets)(void const* self, long long microbatch, void* t) = nullptr;
  lengths_of_axes (*lengths)(void const* self, long long microbatch) = nullptr;  ///< null: always the largest
  /// Ragged microbatches: of each of the M samples, its positions on an axis (from 1). Null: padded.
  void (*sample_lengths)(void const* self, long long microbatch, int axis, int* n) = nullptr;
  /// Null: the targets that count, where they are class numbers; else that of its samples.
  double (*weight)(void const* self, long long minibatch) = nullptr;
  /// Which sample of a data set is sample i of a microbatch; null: not known.
  long long (*sample)(void const* self, long long microbatch, int i) = nullptr;
};

/// Samples to evaluate on: chunks of at most `chunk` samples, in order.
struct evaluation_source {
  void const* self = nullptr;
  long long samples = 0;
  void (*inputs)(void const* self, long long first, int samples, int entry, lengths_of_axes n, void* x) = nullptr;
  void (*targets)(void const* self, long long first, int samples, lengths_of_axes n, void* t) = nullptr;
  lengths_of_axes (*lengths)(void const* self, long long first, int samples) = nullptr;  ///< null: the largest
  long long (*sample)(void const* self, long long i) = nullptr;  ///< which sample of the data set comes i-th; null: sample i
};

/// Values of a run.
struct run_values {
  int microbatch_size = 1;  ///< M
  int microbatches = 1;     ///< N
  int workers = 1;
  std::uint64_t seed = 1;
  bool evaluation = true;  ///< plan the copies that evaluations need
  int evaluation_samples = 64;
  bool pin = false;  ///< worker i to CPU i
  diagnostics_values diagnostics{};
  /// Of each rank, which of several devices its units are on; empty: rank modulo their number, the first rank's of a worker.
  std::vector<int> ordinals{};
  recording record = recording::never;
};

/// A parameter (or buffer) of a stage. Throws foal::error where there is none.
inline parameter_row const& row_of(run_tables const& t, int stage, std::size_t which, bool buffer) {
  auto const count = static_cast<int>(t.stages.size());
  require(stage >= 0 && stage < count, "cannot find stage ", stage, ", because there are ", count,
          " stages; give a number from 0 to ", count - 1);
  stage_table const& s = t.stages[static_cast<std::size_t>(stage)];
  auto const& rows = buffer ? s.buffers : s.parameters;
  require(which < rows.size(), "cannot find ", buffer ? "statistic " : "parameter ", which, " of stage ", stage,
          ", because it has ", rows.size(), "; give a number below that");
  return rows[which];
}

}  // namespace foal::table
