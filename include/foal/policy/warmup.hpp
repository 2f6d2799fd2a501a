// What comes before the asynchronous phase.
#pragma once

#include <foal/core/error.hpp>
#include <foal/core/role.hpp>

namespace foal::warmup {

struct none {
  using role = foal::role::warmup;
  static constexpr char const* name = "none";
  static constexpr bool synchronous_phase = false;
};

/// T3, PipeMare's synchronous warm-up: the first minibatches of a run on one_f_one_b with flush, on the same stages.
/// Momentum, optimizer state and the update count survive the switch; then the pipeline starts empty.
struct synchronous {
  using role = foal::role::warmup;
  static constexpr char const* name = "T3";
  static constexpr bool synchronous_phase = true;
  long long minibatches = 0;

  void check() const {
    require_number(minibatches >= 0, name, "minibatches", static_cast<double>(minibatches), "0 or more");
  }
};

}  // namespace foal::warmup
