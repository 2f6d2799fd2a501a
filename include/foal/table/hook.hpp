// A hook after U as functions, and what it sees of a stage, without its type.
#pragma once

#include <cstddef>

#include <foal/table/functions.hpp>

namespace foal::table {

/// One update of one stage, untyped: everything that a view refers to. Host memory.
struct hook_call {
  stage_table const* table = nullptr;
  int stage = 0;
  long long update = 0;
  double rate = 0, tau_fwd = 0, tau_bkwd = 0;
  void const* weights = nullptr;
  void const* gradient = nullptr;
  void const* delay_states[most_states]{};  ///< laid out as the weights, or packed: only what B reads
  bool delay_packed = false;
};

/// A hook as functions. mean: to = sum / divide, n elements, as the optimizer got it before clipping.
struct hook_functions {
  void (*after_update)(void* hook, hook_call const&) = nullptr;  ///< null: there is no hook
  void (*mean)(std::size_t n, void const* sum, double divide, void* to) = nullptr;
};

}  // namespace foal::table
