// Synchronous training: all microbatches of a minibatch see the same weights.
#pragma once

#include <foal/policy/versions/concept.hpp>

namespace foal::versions {

/// F, R and B of minibatch k read version k, which is there in time because the pipeline drains before each update:
/// synchronous schedules.
struct flush {
  using role = foal::role::versions;
  static constexpr char const* name = "flush";

  static constexpr schedule::version_read read(schedule::version_table const& there, int stage, int j) {
    int const own = there.consumer(stage, j);
    return {own, own, own};
  }
};

}  // namespace foal::versions
