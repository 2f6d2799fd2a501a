// PipeDream's vertical sync (Harlap et al. 2018): a microbatch reads one version at all stages.
#pragma once

#include <foal/policy/versions/concept.hpp>

namespace foal::versions {

/// F, R and B of a microbatch read, at every stage, the version that F of the first stage read: the newest one there when
/// the microbatch entered the pipeline. (Of stages that are updated: those below the first of them have one version.) Keeps
/// what is read for every version in flight.
struct vertical_sync {
  using role = foal::role::versions;
  static constexpr char const* name = "vertical_sync";

  static constexpr schedule::version_read read(schedule::version_table const& there, int, int j) {
    int const f = there.forward(there.first_trained(), j);
    return {f, f, f};
  }
};

}  // namespace foal::versions
