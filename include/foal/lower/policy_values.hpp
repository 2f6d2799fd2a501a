// The policies of a run as values, found by role.
#pragma once

#include <type_traits>

#include <foal/core/role.hpp>

namespace foal::lower {

/// A policy's value in its role.
template <class Role, class P>
struct policy_value {
  P const* value;
};

namespace detail {

template <class Role, class P>
constexpr P const& value_in(policy_value<Role, P> const& found) {
  return *found.value;
}

}  // namespace detail

/// References to policies, which tables point to: they must outlive the tables.
template <class... Values>
struct policy_values : Values... {
  constexpr explicit policy_values(Values... v) : Values(v)... {}

  /// The policy of a role.
  template <class Role>
  constexpr auto const& of() const {
    return detail::value_in<Role>(*this);
  }
  /// Throws the sentence of the first policy whose numbers cannot work.
  void check() const { (check_one(*static_cast<Values const&>(*this).value), ...); }

 private:
  template <class P>
  static void check_one(P const& policy) {
    if constexpr (requires { policy.check(); }) policy.check();
  }
};

/// Of policies that say their roles themselves.
template <class... Ps>
constexpr policy_values<policy_value<typename Ps::role, Ps>...> by_role(Ps const&... policy) {
  return policy_values<policy_value<typename Ps::role, Ps>...>(policy_value<typename Ps::role, Ps>{&policy}...);
}

template <class Values, class Role>
using policy_in = std::remove_cvref_t<decltype(std::declval<Values const&>().template of<Role>())>;

}  // namespace foal::lower
