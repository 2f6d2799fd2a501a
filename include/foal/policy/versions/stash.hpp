// PipeDream's weight stashing (Narayanan et al., SOSP 2019): B reads the version that its F read.
#pragma once

#include <foal/policy/versions/concept.hpp>

namespace foal::versions {

/// F reads the newest version there is (or an injected one), R and B what F has read. What B reads is kept for every version
/// in flight.
struct stash {
  using role = foal::role::versions;
  static constexpr char const* name = "stash";
  static constexpr bool always_there = true;

  static constexpr schedule::version_read read(schedule::version_table const& there, int stage, int j) {
    int const f = there.forward(stage, j);
    return {f, f, f};
  }
};

}  // namespace foal::versions
