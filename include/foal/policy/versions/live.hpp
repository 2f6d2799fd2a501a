// PipeMare (Yang et al., MLSys 2021): the weights as they are when the op starts; nothing is kept.
#pragma once

#include <foal/policy/versions/concept.hpp>

namespace foal::versions {

/// F, R and B read the newest version there is. One copy; F and B of a microbatch read different ones. Where the schedule
/// injects delays, F and R read those, and old versions are kept.
struct live {
  using role = foal::role::versions;
  static constexpr char const* name = "live";
  static constexpr bool always_there = true;

  static constexpr schedule::version_read read(schedule::version_table const& there, int stage, int j) {
    return schedule::own_versions::read(there, stage, j);
  }
};

}  // namespace foal::versions
