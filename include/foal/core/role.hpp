// Roles: how a policy says what it is for, so that policies are found by role, in any order, with defaults.
#pragma once

#include <type_traits>

#include <foal/core/type_list.hpp>

namespace foal {

namespace role {
struct loss {};
struct optimizer {};
struct learning_rate {};
struct delay {};
struct versions {};
struct warmup {};
struct clip {};
struct initialisation {};
struct hook {};
struct accumulation {};
struct storage {};
struct wire {};
struct replica {};
struct executor {};
struct device {};
struct scalar {};
}  // namespace role

template <class P>
concept has_role = requires { typename P::role; };

namespace detail {

template <class P>
struct role_of {
  using type = void;
};
template <has_role P>
struct role_of<P> {
  using type = typename P::role;
};

}  // namespace detail

/// The policies of a pack that have the given role, as a type_list.
template <class Role, class... Ps>
using with_role =
    concat<type_list<>,
           std::conditional_t<std::is_same_v<typename detail::role_of<Ps>::type, Role>, type_list<Ps>, type_list<>>...>;

/// The first policy with the role, or Default.
template <class Role, class Default, class... Ps>
using find_role = type_at<concat<with_role<Role, Ps...>, type_list<Default>>, 0>;

/// Element type of parameters and activations: trainer<..., foal::scalar<double>>.
template <class S>
struct scalar {
  using role = foal::role::scalar;
  using type = S;
};

/// Device of a trainer: trainer<..., foal::on<foal::device::host>>.
template <class D>
struct on {
  using role = foal::role::device;
  using type = D;
};

}  // namespace foal
