// What an optimizer must offer.
#pragma once

#include <cmath>
#include <concepts>
#include <string_view>
#include <type_traits>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/core/role.hpp>
#include <foal/core/type_list.hpp>
#include <foal/policy/optim/rule.hpp>

namespace foal::optim {

/// All optimizers: role = foal::role::optimizer; static constexpr int states, the most arrays that a parameter has; and one
/// of the three forms below. May have void check() const, which throws foal::error where its numbers cannot work.
template <class O>
concept has_states = std::same_as<typename O::role, foal::role::optimizer> && requires {
  { O::states } -> std::convertible_to<int>;
};

/// One update of one parameter.
struct moment {
  double rate = 0;                   ///< learning rate
  long long update = 1;              ///< the stage's own count, from 1
  double tau_fwd = 0, tau_bkwd = 0;  ///< mean delays, in updates
};

/// Asks for delays too.
template <class O>
concept sees_moment = has_states<O> && requires(O const o) {
  o.template prepare<float>(moment{});
  o.template prepare<double>(moment{});
};
template <class O>
concept prepares = has_states<O> && requires(O const o) {
  o.template prepare<float>(0.1, 1LL);
  o.template prepare<double>(0.1, 1LL);
};
/// No concept, so that compilers need a line to say that it does not hold.
template <class O>
inline constexpr bool gives_functors = sees_moment<O> || prepares<O>;

/// Elementwise, fused with the delay policy into one pass: prepare<S>(rate, t), or where it asks for delays
/// prepare<S>(moment), gives the functor of one update, which takes S& w, S g and one S& for each state. May have rules for
/// single parameters (optim/rule.hpp).
template <class O>
concept elementwise = gives_functors<O>;

/// The functor of an update of an elementwise optimizer; rule...: of the parameter, where it has rules.
template <class S, class O, class... Rule>
auto prepare_at(O const& o, moment m, Rule... rule) {
  if constexpr (sees_moment<O>)
    return o.template prepare<S>(m, rule...);
  else
    return o.template prepare<S>(m.rate, m.update, rule...);
}

/// Per parameter: static constexpr bool per_parameter = true, and
///   template <class D, class S>
///   void step(D& device, shape extent, S* w, S* g, S* const* states, S* scratch, moment) const
/// which changes w and states on the device. g is the minibatch's gradient, and free to be written over. May have
///   long long state_size(int state, shape extent) const    elements; absent: as many as w
///   long long scratch_size(shape extent) const             elements, planned with the run; absent: none
/// and, as bounds_itself below, bound<S>(shape extent, moment, magnitudes&) const.
template <class O>
concept takes_parameters = has_states<O> && requires { requires O::per_parameter; };
template <class O, class D, class S>
concept steps_on = takes_parameters<O> && requires(O const o, D& device, S* x, S* const* states) {
  o.step(device, shape{}, x, x, states, x, moment{});
};

/// Elements of the state k of a parameter, and of the scratch that its step needs, of an optimizer that takes parameters:
/// what it says, or what is meant where it says nothing.
template <takes_parameters O>
constexpr long long state_size_of([[maybe_unused]] O const& o, [[maybe_unused]] int k, shape extent) {
  if constexpr (requires { o.state_size(k, extent); })
    return o.state_size(k, extent);
  else
    return extent.size();
}
template <takes_parameters O>
constexpr long long scratch_size_of([[maybe_unused]] O const& o, [[maybe_unused]] shape extent) {
  if constexpr (requires { o.scratch_size(extent); })
    return o.scratch_size(extent);
  else
    return 0;
}

/// Of several, one for each parameter: static constexpr int parts; template <int I> auto const& part() const; and int
/// choose(parameter_view const&) const, asked once for each parameter when a trainer is made.
template <class O>
concept chooses = has_states<O> && requires(O const o, parameter_view const& p) {
  { O::parts } -> std::convertible_to<int>;
  o.template part<0>();
  { o.choose(p) } -> std::same_as<int>;
};

/// One value, so that a refusal speaks of what makes an optimizer elementwise alone.
template <class O>
inline constexpr bool takes_or_chooses = takes_parameters<O> || chooses<O>;
template <class O>
concept optimizer = takes_or_chooses<O> || elementwise<O>;

namespace detail {

template <class O, int... I>
constexpr int least_of_parts(std::integer_sequence<int, I...>) {
  int least = O::states;
  ((least = std::remove_cvref_t<decltype(std::declval<O const&>().template part<I>())>::states < least
                ? std::remove_cvref_t<decltype(std::declval<O const&>().template part<I>())>::states
                : least),
   ...);
  return least;
}

}  // namespace detail

namespace detail {

/// Stands where an elementwise optimizer should be, so that one mistake is one error.
struct elementwise_in_place {
  using role = foal::role::optimizer;
  static constexpr int states = 0;
  template <class S>
  struct step {
    FOAL_HOST_DEVICE void operator()(S&, S) const {}
  };
  template <class S>
  step<S> prepare(double, long long) const {
    return {};
  }
};
template <class Base>
using elementwise_base = std::conditional_t<elementwise<Base>, Base, elementwise_in_place>;

}  // namespace detail

/// False for what wraps an optimizer that cannot be wrapped (averaged, grouped).
template <class O>
constexpr bool has_an_elementwise_base() {
  if constexpr (requires { O::elementwise_base; })
    return O::elementwise_base;
  else
    return true;
}

/// The states that every parameter has, whichever optimizer it gets. What is no optimizer is said elsewhere.
template <class O>
constexpr int least_states() {
  if constexpr (chooses<O>)
    return detail::least_of_parts<O>(std::make_integer_sequence<int, O::parts>{});
  else if constexpr (has_states<O>)
    return O::states;
  else
    return 1 << 30;
}

/// Its functor takes as many states as it declares. True where it is not elementwise.
template <class O, class S>
constexpr bool takes_its_states() {
  if constexpr (elementwise<O>)
    return takes<decltype(prepare_at<S>(std::declval<O const&>(), moment{})), S&, O::states, S&, S>();
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

/// Likewise of one that takes whole parameters.
template <class O, class S>
concept bounds_parameters =
    takes_parameters<O> && requires(O const o, magnitudes& m) { o.template bound<S>(shape{}, moment{}, m); };

/// For check().
inline void check_weight_decay(std::string_view policy, double weight_decay) {
  require_number(std::isfinite(weight_decay) && weight_decay >= 0, policy, "weight_decay", weight_decay, "0 or more");
}

}  // namespace foal::optim
