// Type lists: flat, by folds and overload deduction, without recursion over the length.
#pragma once

#include <foal/core/config.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace foal {

template <class... Ts>
struct type_list {
  static constexpr std::size_t size = sizeof...(Ts);
};

namespace detail {

template <std::size_t I, class T>
struct leaf {
  using type = T;
};

template <class Indices, class... Ts>
struct leaves;
template <std::size_t... I, class... Ts>
struct leaves<std::index_sequence<I...>, Ts...> : leaf<I, Ts>... {};

template <std::size_t I, class T>
leaf<I, T> leaf_at(leaf<I, T> const*);

template <class List, std::size_t I>
struct at;
template <class... Ts, std::size_t I>
struct at<type_list<Ts...>, I> {
  using all = leaves<std::index_sequence_for<Ts...>, Ts...>;
  using type = typename decltype(leaf_at<I>(static_cast<all const*>(nullptr)))::type;
};

}  // namespace detail

/// The I-th type of a type_list.
template <class List, std::size_t I>
using type_at = typename detail::at<List, I>::type;

/// Joins two lists; declared for decltype alone.
template <class... Ts, class... Us>
type_list<Ts..., Us...> operator+(type_list<Ts...>, type_list<Us...>);

namespace detail {

// A struct between the fold and the alias: g++ 12 refuses to expand some packs straight into the fold.
template <class... Lists>
struct joined {
  using type = decltype((type_list<>{} + ... + Lists{}));
};

}  // namespace detail

/// The concatenation of type_lists.
template <class... Lists>
using concat = typename detail::joined<Lists...>::type;

namespace detail {

template <class T, std::size_t>
using one_of = T;
template <class F, class T, class... Fixed, std::size_t... I>
constexpr bool takes_so_many(std::index_sequence<I...>) {
  return std::is_invocable_v<F const&, Fixed..., one_of<T, I>...>;
}

}  // namespace detail

/// A functor F can be called with (Fixed..., n times T).
template <class F, class T, int n, class... Fixed>
constexpr bool takes() {
  return detail::takes_so_many<F, T, Fixed...>(std::make_index_sequence<static_cast<std::size_t>(n)>{});
}

}  // namespace foal
