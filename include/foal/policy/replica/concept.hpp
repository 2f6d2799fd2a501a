// What replicas of a pipeline send each other, and what they make of it: the concept, and the rule without one.
#pragma once

#include <concepts>
#include <cstdint>

#include <foal/core/role.hpp>

namespace foal::replica {

/// What of every minibatch is added up over replicas, in the order of their numbers, and when it is used: its gradients, in
/// its own update or in the next one; or the weights after an update, before the next minibatch reads any or after the next
/// update. shards: gradients too, but each replica updates the part that it adds up, and weights are what it sends.
enum class exchanged : std::uint8_t { gradients, late_gradients, shards, weights, late_weights };

constexpr bool of_weights(exchanged e) { return e >= exchanged::weights; }
constexpr bool is_late(exchanged e) { return e == exchanged::late_gradients || e == exchanged::late_weights; }

/// Needs: role = foal::role::replica; name; static constexpr exchanged exchanges; and where that is weights
///   long long interval() const                 exchanged after every so many updates of a stage; 1 where they are late
///   static constexpr bool has_momentum         every element has a number of the policy's own, 0 at first
///   template <class S> void merge(S& reference, S& momentum, S sum, int replicas) const
///     one element of the reference weights, which begin as the weights do, given the sum of the replicas' (without
///     has_momentum: momentum is a number that is not kept)
///   template <class S> void take(S& weight, S reference, int replicas) const     what a replica then does to its own
template <class P>
concept rule = requires {
  { P::name } -> std::convertible_to<char const*>;
  { P::exchanges } -> std::convertible_to<exchanged>;
} && (!of_weights(P::exchanges) || requires(P const p, float& x) {
                 { P::has_momentum } -> std::convertible_to<bool>;
                 { p.interval() } -> std::convertible_to<long long>;
                 p.merge(x, x, x, 2);
                 p.take(x, x, 2);
               });

/// Every update takes the sum of its minibatch's gradients over all replicas, so that all have the same weights: D replicas
/// do what one does with the same minibatch.
struct summed {
  using role = foal::role::replica;
  static constexpr char const* name = "summed";
  static constexpr exchanged exchanges = exchanged::gradients;
};

}  // namespace foal::replica
