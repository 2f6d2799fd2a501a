// Two delay policies one after the other.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <foal/core/config.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

namespace detail {

// Calls f with the states [From, From + Count) of the pack behind the fixed arguments.
template <std::size_t From, class F, class S, std::size_t... I, class... Fixed>
FOAL_HOST_DEVICE decltype(auto) with_states(F const& f, S* const* all, std::index_sequence<I...>, Fixed&&... fixed) {
  return f(static_cast<Fixed&&>(fixed)..., *all[From + I]...);
}

/// second(first(x)): each with its own states.
template <class S, std::size_t A, std::size_t B, class First, class Second, bool HasFirst, bool HasSecond>
struct composed {
  First first;
  Second second;

  template <class... States>
  FOAL_HOST_DEVICE S value(S x, States&... every) const {
    S const* const all[] = {&every..., nullptr};
    if constexpr (HasFirst) x = with_states<0>(first, all, std::make_index_sequence<A>{}, x);
    if constexpr (HasSecond) x = with_states<A>(second, all, std::make_index_sequence<B>{}, x);
    return x;
  }
};

}  // namespace detail

/// Where both have a function, A's runs first and B's sees its result. States: A's, then B's.
template <delay_policy A, delay_policy B>
struct chain {
  using role = foal::role::delay;
  static constexpr char const* name = "chain";
  static constexpr int states = A::states + B::states;
  static constexpr bool needs_lag = delay::needs_lag<A> || delay::needs_lag<B>;
  static constexpr scope states_of =
      delay::states_of<A>() == scope::all || delay::states_of<B>() == scope::all ? scope::all : scope::read_in_backward;
  A first{};
  B second{};

  bool exact_lag() const {
    bool exact = false;
    if constexpr (requires { first.exact_lag(); }) exact = exact || first.exact_lag();
    if constexpr (requires { second.exact_lag(); }) exact = exact || second.exact_lag();
    return exact;
  }
  void check() const {
    if constexpr (requires { first.check(); }) first.check();
    if constexpr (requires { second.check(); }) second.check();
  }

  void bound(double before, double after, double* of_states) const
    requires(bounds_itself<A> && bounds_itself<B>)
  {
    first.bound(before, after, of_states);
    second.bound(before, after, of_states + A::states);
  }

  template <class S, class F, class G, bool HasF, bool HasG>
  struct weight_functor {
    detail::composed<S, static_cast<std::size_t>(A::states), static_cast<std::size_t>(B::states), F, G, HasF, HasG> f;
    template <class... States>
    FOAL_HOST_DEVICE S operator()(S w, States const&... every) const {
      return f.value(w, every...);
    }
  };
  struct absent {};

  template <class S>
  auto forward_weight(moment m) const
    requires(predicts_forward<A, S> || predicts_forward<B, S>)
  {
    auto const of = [](auto const& p, moment at) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (predicts_forward<P, S>)
        return p.template forward_weight<S>(at);
      else
        return absent{};
    };
    using f = decltype(of(first, m));
    using g = decltype(of(second, m));
    return weight_functor<S, f, g, predicts_forward<A, S>, predicts_forward<B, S>>{{of(first, m), of(second, m)}};
  }
  template <class S>
  auto backward_weight(moment m) const
    requires(corrects_backward<A, S> || corrects_backward<B, S>)
  {
    auto const of = [](auto const& p, moment at) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (corrects_backward<P, S>)
        return p.template backward_weight<S>(at);
      else
        return absent{};
    };
    using f = decltype(of(first, m));
    using g = decltype(of(second, m));
    return weight_functor<S, f, g, corrects_backward<A, S>, corrects_backward<B, S>>{{of(first, m), of(second, m)}};
  }

  template <class S, class F, class G, bool HasF, bool HasG>
  struct gradient_functor {
    F f;
    G g;
    template <class... States>
    FOAL_HOST_DEVICE S operator()(S gradient, S w, States const&... every) const {
      S const* const all[] = {&every..., nullptr};
      constexpr auto own = static_cast<std::size_t>(A::states);
      if constexpr (HasF) gradient = detail::with_states<0>(f, all, std::make_index_sequence<own>{}, gradient, w);
      if constexpr (HasG)
        gradient =
            detail::with_states<own>(g, all, std::make_index_sequence<static_cast<std::size_t>(B::states)>{}, gradient, w);
      return gradient;
    }
  };
  template <class S>
  auto gradient(moment m) const
    requires(changes_gradient<A, S> || changes_gradient<B, S>)
  {
    auto const of = [](auto const& p, moment at) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (changes_gradient<P, S>)
        return p.template gradient<S>(at);
      else
        return absent{};
    };
    using f = decltype(of(first, m));
    using g = decltype(of(second, m));
    return gradient_functor<S, f, g, changes_gradient<A, S>, changes_gradient<B, S>>{of(first, m), of(second, m)};
  }

  template <class S, class F, class G, bool HasF, bool HasG>
  struct update_functor {
    F f;
    G g;
    template <class... States>
    FOAL_HOST_DEVICE void operator()(S before, S after, States&... every) const {
      S* const all[] = {&every..., nullptr};
      constexpr auto own = static_cast<std::size_t>(A::states);
      if constexpr (HasF) detail::with_states<0>(f, all, std::make_index_sequence<own>{}, before, after);
      if constexpr (HasG)
        detail::with_states<own>(g, all, std::make_index_sequence<static_cast<std::size_t>(B::states)>{}, before, after);
    }
  };
  template <class S>
  auto after_update(moment m) const
    requires(watches_updates<A, S> || watches_updates<B, S>)
  {
    auto const of = [](auto const& p, moment at) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (watches_updates<P, S>)
        return p.template after_update<S>(at);
      else
        return absent{};
    };
    using f = decltype(of(first, m));
    using g = decltype(of(second, m));
    return update_functor<S, f, g, watches_updates<A, S>, watches_updates<B, S>>{of(first, m), of(second, m)};
  }
};

}  // namespace foal::delay
