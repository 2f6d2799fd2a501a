// The optimizer and the delay policy of a trainer as functions: U in one fused pass over each parameter.
#pragma once

#include <limits>

#include <foal/policy/optim/concept.hpp>
#include <foal/lower/thunks.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

template <class D, class S, class Optimizer, class Delay>
struct policy_thunks {
  static constexpr int own = Optimizer::states, delayed = Delay::states;
  static_assert(own <= most_states && delayed <= most_states,
                "foal: cannot use a policy with more than 4 state arrays per parameter; merge some of them");

  template <bool Compensate>
  struct functor {
    using optimize_type = decltype(std::declval<Optimizer const&>().template prepare<S>(0.0, 1LL));
    static constexpr bool with_gradient = Compensate && delay::changes_gradient<Delay, S>;
    static constexpr bool with_after = Compensate && delay::watches_updates<Delay, S>;

    static auto gradient(Delay const& d, delay::moment m) {
      if constexpr (with_gradient)
        return d.template gradient<S>(m);
      else
        return nothing{};
    }
    static auto after(Delay const& d, delay::moment m) {
      if constexpr (with_after)
        return d.template after_update<S>(m);
      else
        return nothing{};
    }

    using fused = fused_update<S, optimize_type, decltype(gradient(std::declval<Delay const&>(), delay::moment{})),
                               decltype(after(std::declval<Delay const&>(), delay::moment{})), with_gradient, with_after>;
    fused f;

    template <class... States>
    FOAL_HOST_DEVICE void operator()(S& w, S& g, States&... states) const {
      f.run(std::make_index_sequence<static_cast<std::size_t>(own)>{},
            std::make_index_sequence<static_cast<std::size_t>(Compensate ? delayed : 0)>{}, w, g, states...);
    }
  };

  static auto prepared(Optimizer const& optimizer, update_call const& c) {
    if constexpr (optim::has_rules<Optimizer>)
      return optimizer.template prepare<S>(c.rate, c.update, c.rule);
    else
      return optimizer.template prepare<S>(c.rate, c.update);
  }

  template <bool Compensate, std::size_t... O, std::size_t... A>
  static void map(update_call const& c, std::index_sequence<O...>, std::index_sequence<A...>) {
    auto const& optimizer = *static_cast<Optimizer const*>(c.optimizer);
    auto const& policy = *static_cast<Delay const*>(c.delay);
    using f = functor<Compensate>;
    f const fused{{prepared(optimizer, c), f::gradient(policy, c.moment), f::after(policy, c.moment),
                   static_cast<S>(c.divide), static_cast<S>(c.scale)}};
    static_cast<D*>(c.device)->map(c.n, fused, static_cast<S*>(c.w), static_cast<S*>(c.g), static_cast<S*>(c.states[O])...,
                                   static_cast<S*>(c.delay_states[A])...);
  }

  static void update(update_call const& c) {
    constexpr auto o = std::make_index_sequence<static_cast<std::size_t>(own)>{};
    if (c.compensate)
      map<true>(c, o, std::make_index_sequence<static_cast<std::size_t>(delayed)>{});
    else
      map<false>(c, o, std::index_sequence<>{});
  }

  // A policy that changes the gradient cannot say by how much.
  static constexpr bool bounded =
      optim::bounds_itself<Optimizer, S> && delay::bounds_itself<Delay> && !delay::changes_gradient<Delay, S>;

  static bool bound(update_call const& c, update_bounds& b) {
    double const before = b.w;
    b.g = b.g / c.divide * c.scale;
    auto const& optimizer = *static_cast<Optimizer const*>(c.optimizer);
    if constexpr (optim::has_rules<Optimizer>)
      optimizer.template bound<S>(c.rate, c.update, b, c.rule);
    else
      optimizer.template bound<S>(c.rate, c.update, b);
    if (c.compensate) static_cast<Delay const*>(c.delay)->bound(before, b.w, b.delay);
    double most = b.most + b.w;
    for (int k = 0; k < own; ++k) most += b.state[k];
    for (int k = 0; k < delayed; ++k) most += b.delay[k];
    // Far enough from the largest number for what rounds differently; and each update a little for what was rounded.
    if (!(most < 1e-4 * static_cast<double>(std::numeric_limits<S>::max()))) return false;
    constexpr double rounded = 1 + 1e-5;
    b.w *= rounded;
    for (int k = 0; k < own; ++k) b.state[k] *= rounded;
    for (int k = 0; k < delayed; ++k) b.delay[k] *= rounded;
    return true;
  }

  template <class F>
  struct read {
    F f;
    template <class... States>
    FOAL_HOST_DEVICE void operator()(S const& w, S& u, States const&... states) const {
      u = f(w, states...);
    }
  };

  template <class F, std::size_t... A>
  static void map_weight(weight_call const& c, F f, std::index_sequence<A...>) {
    static_cast<D*>(c.device)->map(c.n, read<F>{f}, static_cast<S const*>(c.w), static_cast<S*>(c.u),
                                   static_cast<S const*>(c.delay_states[A])...);
  }
  static void forward_weight(weight_call const& c) {
    map_weight(c, static_cast<Delay const*>(c.delay)->template forward_weight<S>(c.moment),
               std::make_index_sequence<static_cast<std::size_t>(delayed)>{});
  }
  static void backward_weight(weight_call const& c) {
    map_weight(c, static_cast<Delay const*>(c.delay)->template backward_weight<S>(c.moment),
               std::make_index_sequence<static_cast<std::size_t>(delayed)>{});
  }
};

}  // namespace detail

template <class D, class S, class Optimizer, class Delay>
constexpr policy_functions policies_of() {
  using t = detail::policy_thunks<D, S, Optimizer, Delay>;
  policy_functions f;
  // What the checks refuse is left out here: one mistake, one error.
  if constexpr (optim::takes_its_states<Optimizer, S>() && delay::take_its_states<Delay, S>()) {
    f.update = &t::update;
    if constexpr (t::bounded) f.bound = &t::bound;
    if constexpr (delay::predicts_forward<Delay, S>) f.forward_weight = &t::forward_weight;
    if constexpr (delay::corrects_backward<Delay, S>) f.backward_weight = &t::backward_weight;
  }
  f.optimizer_states = t::own;
  f.delay_states = t::delayed;
  f.delay_needs_lag = delay::needs_lag<Delay>;
  f.delay_on_all = Delay::states == 0 || delay::states_of<Delay>() == delay::scope::all;
  return f;
}

}  // namespace foal::lower
