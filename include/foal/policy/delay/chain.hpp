// Two delay policies one after the other.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <foal/core/config.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

namespace detail {

/// Where the states of one policy lie among all that a functor of the chain gets: its own, and those of the optimizer.
template <std::size_t From, std::size_t Own, std::size_t SeenFrom, std::size_t Seen>
struct slice {
  template <class F, class S, class... Fixed>
  FOAL_HOST_DEVICE static decltype(auto) call(F const& f, S* const* all, Fixed&&... fixed) {
    return with(f, all, std::make_index_sequence<Own>{}, std::make_index_sequence<Seen>{}, static_cast<Fixed&&>(fixed)...);
  }

 private:
  template <class F, class S, std::size_t... I, std::size_t... J, class... Fixed>
  FOAL_HOST_DEVICE static decltype(auto) with(F const& f, S* const* all, std::index_sequence<I...>,
                                              std::index_sequence<J...>, Fixed&&... fixed) {
    return f(static_cast<Fixed&&>(fixed)..., *all[From + I]..., static_cast<S const&>(*all[SeenFrom + J])...);
  }
};

/// The first argument through first, then second, where they have a function; the others as they are.
template <class S, class A, class B, class First, class Second, bool HasFirst, bool HasSecond>
struct composed {
  First first;
  Second second;

  template <class... Others>
  FOAL_HOST_DEVICE S value(S const* const* all, S x, Others... others) const {
    if constexpr (HasFirst) x = A::call(first, all, x, others...);
    if constexpr (HasSecond) x = B::call(second, all, x, others...);
    return x;
  }
};

struct absent {};

}  // namespace detail

/// Where both have a function, A's runs first and B's sees its result. States: A's, then B's.
template <delay_policy A, delay_policy B>
struct chain {
 private:
  template <class P>
  static constexpr auto own_ = static_cast<std::size_t>(P::states);
  template <class P>
  static constexpr auto seen_ = static_cast<std::size_t>(sees<P>());

 public:
  using role = foal::role::delay;
  static constexpr char const* name = "chain";
  static constexpr int states = A::states + B::states;
  static constexpr bool needs_lag = delay::needs_lag<A> || delay::needs_lag<B>;
  static constexpr scope states_of =
      delay::states_of<A>() == scope::all || delay::states_of<B>() == scope::all ? scope::all : scope::read_in_backward;
  static constexpr int sees_optimizer_states = sees<A>() > sees<B>() ? sees<A>() : sees<B>();
  static constexpr bool watches_gradients = delay::watches_gradients<A> || delay::watches_gradients<B>;
  static constexpr int sums = sums_of<A>() + sums_of<B>();
  A first{};
  B second{};

  template <class F>
  constexpr void numbers(F&& f) const {
    f("first", first);
    f("second", second);
  }
  template <class F>
  constexpr void state(F&& f) {
    f("first", first);
    f("second", second);
  }
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

  void fits(stage_view const& at) const {
    if constexpr (requires { first.fits(at); }) first.fits(at);
    if constexpr (requires { second.fits(at); }) second.fits(at);
  }

  void bound(double before, double after, double* of_states) const
    requires(bounds_itself<A> && bounds_itself<B>)
  {
    first.bound(before, after, of_states);
    second.bound(before, after, of_states + A::states);
  }

  using in_first = detail::slice<0, own_<A>, own_<A> + own_<B>, seen_<A>>;
  using in_second = detail::slice<own_<A>, own_<B>, own_<A> + own_<B>, seen_<B>>;

  template <class S, class F, class G, bool HasF, bool HasG>
  using both = detail::composed<S, in_first, in_second, F, G, HasF, HasG>;

  template <class S, class F, class G, bool HasF, bool HasG>
  struct weight_functor {
    both<S, F, G, HasF, HasG> f;
    template <class... States>
    FOAL_HOST_DEVICE S operator()(S w, States const&... every) const {
      S const* const all[] = {&every..., nullptr};
      return f.value(all, w);
    }
  };
  template <class S>
  auto forward_weight(moment m) const
    requires(predicts_forward<A, S> || predicts_forward<B, S>)
  {
    auto const of = [m](auto const& p) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (predicts_forward<P, S>)
        return p.template forward_weight<S>(m);
      else
        return detail::absent{};
    };
    using f = decltype(of(first));
    using g = decltype(of(second));
    return weight_functor<S, f, g, predicts_forward<A, S>, predicts_forward<B, S>>{{of(first), of(second)}};
  }
  template <class S>
  auto backward_weight(moment m) const
    requires(corrects_backward<A, S> || corrects_backward<B, S>)
  {
    auto const of = [m](auto const& p) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (corrects_backward<P, S>)
        return p.template backward_weight<S>(m);
      else
        return detail::absent{};
    };
    using f = decltype(of(first));
    using g = decltype(of(second));
    return weight_functor<S, f, g, corrects_backward<A, S>, corrects_backward<B, S>>{{of(first), of(second)}};
  }

  template <class S, class F, class G, bool HasF, bool HasG>
  struct gradient_functor {
    both<S, F, G, HasF, HasG> f;
    template <class... States>
    FOAL_HOST_DEVICE S operator()(S gradient, S w, States const&... every) const {
      S const* const all[] = {&every..., nullptr};
      return f.value(all, gradient, w);
    }
  };
  template <class S>
  auto gradient(moment m) const
    requires(changes_gradient<A, S> || changes_gradient<B, S>)
  {
    auto const of = [](auto const& p, moment const& now) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (changes_gradient<P, S>)
        return p.template gradient<S>(now);
      else
        return detail::absent{};
    };
    moment of_second = m;  // its sums lie behind A's
    for (int i = 0; i < sums_of<B>(); ++i) of_second.sums[i] = m.sums[sums_of<A>() + i];
    using f = decltype(of(first, m));
    using g = decltype(of(second, m));
    return gradient_functor<S, f, g, changes_gradient<A, S>, changes_gradient<B, S>>{{of(first, m), of(second, of_second)}};
  }

  template <class S, class F, class G, bool HasF, bool HasG>
  struct summands_functor {
    F f;
    G g;
    template <class... States>
    FOAL_HOST_DEVICE void operator()(double* add, S gradient, S w, States const&... every) const {
      S const* const all[] = {&every..., nullptr};
      if constexpr (HasF) in_first::call(f, all, add, gradient, w);
      if constexpr (HasG) in_second::call(g, all, add + sums_of<A>(), gradient, w);
    }
  };
  /// Of the gradient as it comes: B's sums do not see what A makes of it.
  template <class S>
  auto summands(moment m) const
    requires(adds_up<A, S> || adds_up<B, S>)
  {
    auto const of = [m](auto const& p) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (adds_up<P, S>)
        return p.template summands<S>(m);
      else
        return detail::absent{};
    };
    using f = decltype(of(first));
    using g = decltype(of(second));
    return summands_functor<S, f, g, adds_up<A, S>, adds_up<B, S>>{of(first), of(second)};
  }

  template <class S, class F, class G, bool HasF, bool HasG>
  struct move_functor {
    both<S, F, G, HasF, HasG> f;
    template <class... States>
    FOAL_HOST_DEVICE S operator()(S after, S before, S gradient, States const&... every) const {
      S const* const all[] = {&every..., nullptr};
      return f.value(all, after, before, gradient);
    }
  };
  template <class S>
  auto move(moment m) const
    requires(moves_weights<A, S> || moves_weights<B, S>)
  {
    auto const of = [m](auto const& p) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (moves_weights<P, S>)
        return p.template move<S>(m);
      else
        return detail::absent{};
    };
    using f = decltype(of(first));
    using g = decltype(of(second));
    return move_functor<S, f, g, moves_weights<A, S>, moves_weights<B, S>>{{of(first), of(second)}};
  }

  template <class S, class F, class G, bool HasF, bool HasG>
  struct microbatch_functor {
    both<S, F, G, HasF, HasG> f;
    template <class... States>
    FOAL_HOST_DEVICE S operator()(S gradient, S w, S then, States const&... every) const {
      S const* const all[] = {&every..., nullptr};
      return f.value(all, gradient, w, then);
    }
  };
  template <class S>
  auto microbatch_gradient(moment m) const
    requires(changes_microbatches<A, S> || changes_microbatches<B, S>)
  {
    auto const of = [m](auto const& p) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (changes_microbatches<P, S>)
        return p.template microbatch_gradient<S>(m);
      else
        return detail::absent{};
    };
    using f = decltype(of(first));
    using g = decltype(of(second));
    return microbatch_functor<S, f, g, changes_microbatches<A, S>, changes_microbatches<B, S>>{{of(first), of(second)}};
  }

  template <class S, class F, class G, bool HasF, bool HasG>
  struct read_out_functor {
    detail::composed<S, detail::slice<0, own_<A>, 0, 0>, detail::slice<own_<A>, own_<B>, 0, 0>, F, G, HasF, HasG> f;
    template <class... States>
    FOAL_HOST_DEVICE S operator()(S w, States const&... every) const {
      S const* const all[] = {&every..., nullptr};
      return f.value(all, w);
    }
  };
  template <class S>
  auto read_out(moment m) const
    requires(reads_out<A, S> || reads_out<B, S>)
  {
    auto const of = [m](auto const& p) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (reads_out<P, S>)
        return p.template read_out<S>(m);
      else
        return detail::absent{};
    };
    using f = decltype(of(first));
    using g = decltype(of(second));
    return read_out_functor<S, f, g, reads_out<A, S>, reads_out<B, S>>{{of(first), of(second)}};
  }

  template <class S, class F, class G, bool HasF, bool HasG>
  struct update_functor {
    detail::composed<S, in_first, in_second, F, G, HasF, HasG> f;
    template <class... States>
    FOAL_HOST_DEVICE void operator()(S before, S after, States&... every) const
      requires(!watches_gradients)
    {
      S* const all[] = {const_cast<S*>(&every)..., nullptr};  // the optimizer's states are handed on as constants
      if constexpr (HasF) in_first::call(f.first, all, before, after);
      if constexpr (HasG) in_second::call(f.second, all, before, after);
    }
    template <class... States>
    FOAL_HOST_DEVICE void operator()(S before, S after, S gradient, States&... every) const
      requires watches_gradients
    {
      S* const all[] = {const_cast<S*>(&every)..., nullptr};
      see<HasF, A, in_first>(f.first, all, before, after, gradient);
      see<HasG, B, in_second>(f.second, all, before, after, gradient);
    }

   private:
    template <bool Has, class P, class At, class Of>
    FOAL_HOST_DEVICE static void see(Of const& of, S* const* all, S before, S after, S gradient) {
      constexpr bool all_three = delay::watches_gradients<P>;
      if constexpr (Has && all_three)
        At::call(of, all, before, after, gradient);
      else if constexpr (Has)
        At::call(of, all, before, after);
    }
  };
  template <class S>
  auto after_update(moment m) const
    requires(watches_updates<A, S> || watches_updates<B, S>)
  {
    auto const of = [m](auto const& p) {
      using P = std::remove_cvref_t<decltype(p)>;  // not []<class P>: cppcheck cannot read it
      if constexpr (watches_updates<P, S>)
        return p.template after_update<S>(m);
      else
        return detail::absent{};
    };
    using f = decltype(of(first));
    using g = decltype(of(second));
    return update_functor<S, f, g, watches_updates<A, S>, watches_updates<B, S>>{{of(first), of(second)}};
  }
};

}  // namespace foal::delay
