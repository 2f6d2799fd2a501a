// When weight gradients are computed: with every microbatch, or once for the whole minibatch.
#pragma once

#include <concepts>

#include <foal/core/role.hpp>

namespace foal::accumulate {

/// Needs: role = foal::role::accumulation; static constexpr bool once_a_minibatch: W is done with the last microbatch of
/// a minibatch, for all of them at once; else with each.
template <class P>
concept accumulation = requires {
  { P::once_a_minibatch } -> std::convertible_to<bool>;
};

/// False where it is none: that is said elsewhere.
template <class P>
constexpr bool once_a_minibatch() {
  if constexpr (accumulation<P>)
    return P::once_a_minibatch;
  else
    return false;
}

/// Every microbatch adds its own: N thin products, and every gradient is read and written N times.
struct each {
  using role = foal::role::accumulation;
  static constexpr char const* name = "each";
  static constexpr bool once_a_minibatch = false;
};

/// Weight gradients do not depend on the weights, so they can wait: with the last W of a minibatch one product takes the
/// saved inputs and output gradients of all its microbatches. These are kept until then. Layers whose arrays do not lie one
/// after the other (texts of different lengths, sizes that are no multiple of 64 bytes) are taken microbatch by microbatch.
/// Sums are rounded in another order than with `each`: it is part of a run's identity.
struct thick {
  using role = foal::role::accumulation;
  static constexpr char const* name = "thick";
  static constexpr bool once_a_minibatch = true;
};

}  // namespace foal::accumulate
