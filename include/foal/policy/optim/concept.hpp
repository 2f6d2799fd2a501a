// What an optimizer must offer.
#pragma once

#include <cmath>
#include <concepts>
#include <string_view>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/core/role.hpp>
#include <foal/core/type_list.hpp>

namespace foal::optim {

/// Needs: role = foal::role::optimizer; static constexpr int states; prepare<S>(rate, t) giving the elementwise functor of
/// one update. The functor takes S& w, S g and one S& for each state (checked where it is fused with the delay policy). May
/// have void check() const, which throws foal::error where its numbers cannot work, and rules for single parameters
/// (optim/rule.hpp).
template <class O>
concept optimizer = std::same_as<typename O::role, foal::role::optimizer> && requires(O const o) {
  { O::states } -> std::convertible_to<int>;
  o.template prepare<float>(0.1, 1LL);
  o.template prepare<double>(0.1, 1LL);
};

/// Its functor takes as many states as it declares. True where it is no optimizer: that is said elsewhere.
template <class O, class S>
constexpr bool takes_its_states() {
  if constexpr (optimizer<O>)
    return takes<decltype(std::declval<O const&>().template prepare<S>(0.1, 1LL)), S&, O::states, S&, S>();
  else
    return true;
}

/// Numbers that no magnitude is above: of the weights, the gradient and the states that an update reads or writes, and of
/// what it computes on the way.
struct magnitudes {
  double w = 0, g = 0;
  double state[4] = {};
  double most = 0;
};

/// May have bound<S>(rate, t, m): turns magnitudes before the update into those after it, in exact arithmetic, and m.most
/// into the largest that the functor computes on the way (infinite: it cannot say). Then a run knows without looking that an
/// update leaves every number finite; without it a run tries each update on copies first.
template <class O, class S>
concept bounds_itself = requires(O const o, magnitudes& m) { o.template bound<S>(0.1, 1LL, m); };

/// For check().
inline void check_weight_decay(std::string_view policy, double weight_decay) {
  require_number(std::isfinite(weight_decay) && weight_decay >= 0, policy, "weight_decay", weight_decay, "0 or more");
}

}  // namespace foal::optim
