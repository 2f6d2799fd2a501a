// What an optimizer must offer.
#pragma once

#include <concepts>

#include <foal/core/role.hpp>

namespace foal::optim {

/// Needs: role = foal::role::optimizer; static constexpr int states; prepare<S>(rate, t) giving the elementwise functor of
/// one update. The functor takes S& w, S g and one S& for each state (checked where it is fused with the delay policy).
template <class O>
concept optimizer = std::same_as<typename O::role, foal::role::optimizer> && requires(O const o) {
  { O::states } -> std::convertible_to<int>;
  o.template prepare<float>(0.1, 1LL);
  o.template prepare<double>(0.1, 1LL);
};

}  // namespace foal::optim
