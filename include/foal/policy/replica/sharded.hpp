// The optimizer's states shared out among replicas (ZeRO, stage 1: Rajbhandari et al., SC 2020).
#pragma once

#include <foal/policy/replica/concept.hpp>

namespace foal::replica {

/// What `summed` does, to the bit, with the optimizer's states once in place of D times: each replica adds up its part of a
/// stage's gradients, updates its part of the weights with states of that part alone, and sends the new weights to the
/// others. As many bytes travel. Needs an optimizer that is elementwise, without averages of the weights; no clipping, as no
/// replica has a whole gradient whose norm it could take; a delay policy that looks at weights alone, and bounds what it
/// keeps, as T2 does; no hooks and diagnostics. On a device whose ops are done later than they return G looks at the sum,
/// for which the unit's queue is waited for. Files have the states whole, whatever D is.
struct sharded {
  using role = foal::role::replica;
  static constexpr char const* name = "sharded";
  static constexpr exchanged exchanges = exchanged::shards;
};

}  // namespace foal::replica
