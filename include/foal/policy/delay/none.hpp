// No delay compensation: every op reads the weights as its versions policy gives them.
#pragma once

#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

struct none {
  using role = foal::role::delay;
  static constexpr char const* name = "none";
  static constexpr int states = 0;
  static constexpr void bound(double, double, double*) {}
};

}  // namespace foal::delay
