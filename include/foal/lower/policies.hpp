// The delay policy of a trainer as functions of weights and gradients, and its clipping.
#pragma once

#include <foal/core/type_name.hpp>
#include <foal/lower/optimizers.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

/// What F, B and W ask of a delay policy. Arrays in the order: the policy's states, then those of the optimizer that it
/// sees.
template <class D, class S, class Delay>
struct delay_thunks {
  static constexpr auto own = std::make_index_sequence<static_cast<std::size_t>(Delay::states)>{};
  static constexpr auto seen = std::make_index_sequence<static_cast<std::size_t>(delay::sees<Delay>())>{};

  template <class F>
  struct read {
    F f;
    template <class... States>
    FOAL_HOST_DEVICE void operator()(S const& w, S& u, States const&... states) const {
      u = f(w, states...);
    }
  };

  template <class F, std::size_t... A, std::size_t... O>
  static void map_weight(weight_call const& c, F f, std::index_sequence<A...>, std::index_sequence<O...>) {
    map_numbers<from_block<F>>(*static_cast<D*>(c.device), c, f, static_cast<S const*>(c.w), static_cast<S*>(c.u),
                               static_cast<S const*>(c.delay_states[A])..., static_cast<S const*>(c.seen[O])...);
  }
  static auto in_forward(weight_call const& c) {
    auto f = static_cast<Delay const*>(c.delay)->template forward_weight<S>(c.moment);
    return read<decltype(f)>{f};
  }
  static auto in_backward(weight_call const& c) {
    auto f = static_cast<Delay const*>(c.delay)->template backward_weight<S>(c.moment);
    return read<decltype(f)>{f};
  }
  static void forward_weight(weight_call const& c) { map_weight(c, in_forward(c), own, seen); }
  static void backward_weight(weight_call const& c) { map_weight(c, in_backward(c), own, seen); }
  static void write_forward(weight_call const& c, void* to) { write_bytes(in_forward(c), to); }
  static void write_backward(weight_call const& c, void* to) { write_bytes(in_backward(c), to); }

  template <std::size_t... A>
  static void map_watch(update_call const& c, std::index_sequence<A...>) {
    auto f = static_cast<Delay const*>(c.delay)->template after_update<S>(c.moment);
    static_cast<D*>(c.device)->map(c.n, watch<S, decltype(f)>{f}, static_cast<S const*>(c.w), static_cast<S const*>(c.g),
                                   static_cast<S*>(c.delay_states[A])...);
  }
  static void watch_update(update_call const& c) { map_watch(c, own); }

  template <class F>
  struct add {
    F f;
    template <class... States>
    FOAL_HOST_DEVICE void operator()(S& sum, S const& g, S const& w, S const& then, States const&... states) const {
      sum += f(g, w, then, states...);
    }
  };
  struct add_as_it_is {
    FOAL_HOST_DEVICE void operator()(S& sum, S const& g) const { sum += g; }
  };

  template <class F, std::size_t... A, std::size_t... O>
  static void add_gradient(gradient_call const& c, F f, std::index_sequence<A...>, std::index_sequence<O...>) {
    map_numbers<from_block<F>>(*static_cast<D*>(c.device), c, f, static_cast<S*>(c.sum), static_cast<S const*>(c.g),
                               static_cast<S const*>(c.w), static_cast<S const*>(c.then),
                               static_cast<S const*>(c.delay_states[A])..., static_cast<S const*>(c.seen[O])...);
  }
  static auto in_microbatch(gradient_call const& c) {
    auto f = static_cast<Delay const*>(c.delay)->template microbatch_gradient<S>(c.moment);
    return add<decltype(f)>{f};
  }
  static void microbatch_gradient(gradient_call const& c) {
    if (c.compensate)
      add_gradient(c, in_microbatch(c), own, seen);
    else
      static_cast<D*>(c.device)->map(c.n, add_as_it_is{}, static_cast<S*>(c.sum), static_cast<S const*>(c.g));
  }
  static void write_microbatch(gradient_call const& c, void* to) {
    if (c.compensate) write_bytes(in_microbatch(c), to);
  }
};

}  // namespace detail

template <class Clip>
constexpr clip_functions clip_of() {
  if constexpr (clip::clipping<Clip>)
    if constexpr (Clip::norm_of != clip::scope::none)
      return {Clip::norm_of,
              [](void const* policy, double norm) { return double(static_cast<Clip const*>(policy)->scale(norm)); }};
  return {};
}

template <class D, class S, class Optimizer, class Delay>
constexpr policy_functions policies_of() {
  policy_functions f;
  // What the checks refuse is left out here: one mistake, one error.
  if constexpr (delay::take_its_states<Delay, S>()) {
    detail::add_optimizers<D, S, Optimizer, Delay>(f);
    using t = detail::delay_thunks<D, S, Delay>;
    constexpr bool later = device::asynchronous<D>;
    if constexpr (delay::predicts_forward<Delay, S>) {
      f.forward_weight = &t::forward_weight;
      if constexpr (later) f.forward_numbers = {sizeof(decltype(t::in_forward({}))), &t::write_forward};
    }
    if constexpr (delay::corrects_backward<Delay, S>) {
      f.backward_weight = &t::backward_weight;
      if constexpr (later) f.backward_numbers = {sizeof(decltype(t::in_backward({}))), &t::write_backward};
    }
    if constexpr (delay::adds_up<Delay, S>) {
      static_assert(device::ops::sums::in<D, S>,
                    "foal: cannot use this delay policy on this Device, because it has sums over a parameter and the device "
                    "lacks template <int N> void sums(n, f, double* to, pointers...); add it, or use foal::device::host");
      static_assert(delay::sums_of<Delay>() <= delay::most_sums,
                    "foal: cannot use a delay policy with more than 4 sums over a parameter; merge some of them");
      f.sums = &detail::sums_thunk<D, S, Delay>::sums;
    }
    if constexpr (delay::watches_updates<Delay, S> && !delay::changes_gradient<Delay, S> && delay::sees<Delay>() == 0 &&
                  delay::bounds_itself<Delay> && !delay::moves_weights<Delay, S> && !delay::watches_gradients<Delay>)
      f.watch_update = &t::watch_update;
    if constexpr (delay::changes_microbatches<Delay, S>) {
      f.microbatch_gradient = &t::microbatch_gradient;
      if constexpr (later) f.gradient_numbers = {sizeof(decltype(t::in_microbatch({}))), &t::write_microbatch};
    }
  }
  f.optimizer_name = type_name<Optimizer>();
  f.delay_name = type_name<Delay>();
  f.optimizer_states = Optimizer::states;
  f.delay_states = Delay::states;
  f.delay_sees = delay::sees<Delay>();
  f.delay_needs_lag = delay::needs_lag<Delay>;
  f.delay_moves = delay::moves_weights<Delay, S>;
  f.delay_on_all = Delay::states == 0 || delay::states_of<Delay>() == delay::scope::all;
  return f;
}

}  // namespace foal::lower
