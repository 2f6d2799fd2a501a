// Which version of its weights each op of a stage reads.
#pragma once

#include <foal/core/role.hpp>

namespace foal::versions {

/// All microbatches of a minibatch see the same weights: synchronous schedules.
struct flush {
  using role = foal::role::versions;
  static constexpr char const* name = "flush";
  static constexpr bool stashes = false;
};

/// The weights as they are when the op starts (PipeMare): one copy.
struct live {
  using role = foal::role::versions;
  static constexpr char const* name = "live";
  static constexpr bool stashes = false;
};

/// B reads the version that its F read (PipeDream): what B reads is kept for every version in flight.
struct stash {
  using role = foal::role::versions;
  static constexpr char const* name = "stash";
  static constexpr bool stashes = true;
};

}  // namespace foal::versions
