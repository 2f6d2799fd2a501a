// Gradient clipping, after the division by N and the finite check, before weight decay.
#pragma once

#include <foal/core/error.hpp>
#include <foal/core/role.hpp>

namespace foal::clip {

struct none {
  using role = foal::role::clip;
  static constexpr char const* name = "none";
  static constexpr bool clips = false;
};

/// Scales a stage's gradient so that its Euclidean norm, over all the stage's parameters, is at most `norm`.
struct per_stage {
  using role = foal::role::clip;
  static constexpr char const* name = "per_stage";
  static constexpr bool clips = true;
  double norm = 1;

  void check() const { require_number(norm > 0, name, "norm", norm, "more than 0"); }
};

}  // namespace foal::clip
