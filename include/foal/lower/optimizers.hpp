// The optimizers of a trainer as functions: U of a parameter in one fused pass, or a step bracketed by the delay policy.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include <foal/core/registers.hpp>
#include <foal/lower/thunks.hpp>
#include <foal/policy/optim/concept.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

/// The delay policy's part in U.
template <class S, class Delay, bool Compensate>
struct delay_functors {
  static constexpr bool with_gradient = Compensate && delay::changes_gradient<Delay, S>;
  static constexpr bool with_after = Compensate && delay::watches_updates<Delay, S>;
  static constexpr bool after_with_gradient = with_after && delay::watches_gradients<Delay>;
  static constexpr bool with_move = Compensate && delay::moves_weights<Delay, S>;

  static auto gradient([[maybe_unused]] Delay const& d, [[maybe_unused]] delay::moment m) {
    if constexpr (with_gradient)
      return d.template gradient<S>(m);
    else
      return nothing{};
  }
  static auto after([[maybe_unused]] Delay const& d, [[maybe_unused]] delay::moment m) {
    if constexpr (with_after)
      return d.template after_update<S>(m);
    else
      return nothing{};
  }
  static auto move([[maybe_unused]] Delay const& d, [[maybe_unused]] delay::moment m) {
    if constexpr (with_move)
      return d.template move<S>(m);
    else
      return nothing{};
  }
  using gradient_type = decltype(gradient(std::declval<Delay const&>(), delay::moment{}));
  using after_type = decltype(after(std::declval<Delay const&>(), delay::moment{}));
  using move_type = decltype(move(std::declval<Delay const&>(), delay::moment{}));

  struct functors {
    gradient_type gradient;
    after_type after;
    move_type move;
  };
  static functors at(Delay const& d, delay::moment const& m) { return {gradient(d, m), after(d, m), move(d, m)}; }
};

/// What a delay policy adds up over a parameter before its update, in a device's fixed order: into the call's moment.
template <class D, class S, class Delay>
struct sums_thunk {
  template <class F>
  struct summand {
    F f;
    S divide, scale;
    template <class... States>
    FOAL_HOST_DEVICE void operator()(double* add, S const& g, S const& w, States const&... states) const {
      f(add, g / divide * scale, w, states...);
    }
  };
  template <std::size_t... A, std::size_t... O>
  static void add_up(update_call& c, std::index_sequence<A...>, std::index_sequence<O...>) {
    auto f = static_cast<Delay const*>(c.delay)->template summands<S>(c.moment);
    summand<decltype(f)> const each{f, static_cast<S>(c.divide), static_cast<S>(c.scale)};
    static_cast<D*>(c.device)->template sums<delay::sums_of<Delay>()>(
        c.n, each, c.moment.sums, static_cast<S const*>(c.g), static_cast<S const*>(c.w),
        static_cast<S const*>(c.delay_states[A])..., static_cast<S const*>(c.states[O])...);
  }
  static void sums(update_call& c) {
    add_up(c, std::make_index_sequence<static_cast<std::size_t>(Delay::states)>{},
           std::make_index_sequence<static_cast<std::size_t>(delay::sees<Delay>())>{});
  }
};

/// Room for n elements more of what a step needs: its own scratch, then w as it was before.
template <class S>
constexpr std::size_t room_for(long long n) {
  return padded(static_cast<std::size_t>(n) * sizeof(S));
}

inline optim::moment moment_of(update_call const& c) { return {c.rate, c.update, c.moment.tau_fwd, c.moment.tau_bkwd}; }

/// What both kinds of optimizers have in common: how magnitudes grow.
template <class S, class Optimizer, class Delay>
struct update_bound {
  static constexpr int own = Optimizer::states, delayed = Delay::states;
  static_assert(own <= most_states && delayed <= most_states,
                "foal: cannot use a policy with more than 4 state arrays per parameter; merge some of them");

  // A policy that changes the gradient, or the step, cannot say by how much.
  static constexpr bool delay_bounded =
      delay::bounds_itself<Delay> && !delay::changes_gradient<Delay, S> && !delay::moves_weights<Delay, S>;

  template <class Grow>
  static bool grows(update_call const& c, update_bounds& b, Grow grow) {
    double const before = b.w;
    b.g = b.g / c.divide * c.scale;
    grow();
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
};

template <class D, class S, class Optimizer, class Delay>
struct elementwise_thunks : update_bound<S, Optimizer, Delay> {
  using base = update_bound<S, Optimizer, Delay>;
  using base::own, base::delayed;

  template <bool Compensate>
  struct functor {
    using delays = delay_functors<S, Delay, Compensate>;
    using optimize_type = decltype(optim::prepare_at<S>(std::declval<Optimizer const&>(), optim::moment{}));
    fused_update<S, optimize_type, delays> f;
    // Counted here: nvcc lets a function of the device call no constexpr one of the host.
    using delayed_states = std::make_index_sequence<static_cast<std::size_t>(Compensate ? delayed : 0)>;
    using seen_states = std::make_index_sequence<static_cast<std::size_t>(Compensate ? delay::sees<Delay>() : 0)>;

    static constexpr bool in_registers = takes_registers<optimize_type> && takes_registers<typename delays::gradient_type> &&
                                         takes_registers<typename delays::after_type> &&
                                         takes_registers<typename delays::move_type>;

    template <class T, class... States>
    FOAL_HOST_DEVICE void operator()(T& w, T& g, States&... states) const {
      f.run(std::make_index_sequence<static_cast<std::size_t>(own)>{}, delayed_states{}, seen_states{}, w, g, states...);
    }
  };

  static auto prepared(Optimizer const& optimizer, update_call const& c) {
    if constexpr (optim::has_rules<Optimizer>)
      return optim::prepare_at<S>(optimizer, moment_of(c), c.rule);
    else
      return optim::prepare_at<S>(optimizer, moment_of(c));
  }

  template <bool Compensate>
  static functor<Compensate> fused(update_call const& c) {
    auto const& optimizer = *static_cast<Optimizer const*>(c.optimizer);
    auto const& policy = *static_cast<Delay const*>(c.delay);
    using delays = delay_functors<S, Delay, Compensate>;
    return {{prepared(optimizer, c), delays::at(policy, c.moment), static_cast<S>(c.divide), static_cast<S>(c.scale)}};
  }
  static constexpr std::size_t numbers = std::max(sizeof(functor<true>), sizeof(functor<false>));
  static void write(update_call const& c, void* to) {
    if (c.compensate)
      write_bytes(fused<true>(c), to);
    else
      write_bytes(fused<false>(c), to);
  }

  template <bool Compensate, std::size_t... O, std::size_t... A>
  static void map(update_call const& c, std::index_sequence<O...>, std::index_sequence<A...>) {
    map_numbers<update_from_block<functor<Compensate>>>(
        *static_cast<D*>(c.device), c, fused<Compensate>(c), static_cast<S*>(c.w), static_cast<S*>(c.g),
        static_cast<S*>(c.states[O])..., static_cast<S*>(c.delay_states[A])...);
  }

  static void update(update_call const& c) {
    constexpr auto o = std::make_index_sequence<static_cast<std::size_t>(own)>{};
    if (c.compensate)
      map<true>(c, o, std::make_index_sequence<static_cast<std::size_t>(delayed)>{});
    else
      map<false>(c, o, std::index_sequence<>{});
  }

  static constexpr bool bounded = optim::bounds_itself<Optimizer, S> && base::delay_bounded;

  static bool bound(update_call const& c, update_bounds& b) {
    return base::grows(c, b, [&] {
      auto const& optimizer = *static_cast<Optimizer const*>(c.optimizer);
      if constexpr (optim::has_rules<Optimizer>)
        optimizer.template bound<S>(c.rate, c.update, b, c.rule);
      else
        optimizer.template bound<S>(c.rate, c.update, b);
    });
  }
};

/// A delay policy's look at one number of the weights before and after a step.
template <class S, class F>
struct watch {
  F f;
  template <class... More>
  FOAL_HOST_DEVICE void operator()(S const& before, S const& after, More&... more) const {
    f(before, after, more...);
  }
};

/// What a delay policy makes of one number of the weights, which an optimizer has just written.
template <class S, class F>
struct move_on {
  F f;
  template <class... States>
  FOAL_HOST_DEVICE void operator()(S const& before, S const& g, S& w, States const&... states) const {
    w = f(w, before, g, states...);
  }
};

/// Of an optimizer that takes a parameter as a whole: the gradient as it gets it, its step, then the delay policy sees the
/// whole change.
template <class D, class S, class Optimizer, class Delay>
struct whole_thunks : update_bound<S, Optimizer, Delay> {
  using base = update_bound<S, Optimizer, Delay>;
  using delays = delay_functors<S, Delay, true>;
  using delayed_states = std::make_index_sequence<static_cast<std::size_t>(Delay::states)>;
  using seen_states = std::make_index_sequence<static_cast<std::size_t>(delay::sees<Delay>())>;
  // Of what the policy sees again after the step: w as it was, the gradient, and what the step has made where it is moved.
  static constexpr bool looks_back = delays::with_after || delays::with_move;
  static constexpr bool keeps_gradient = delays::after_with_gradient || delays::with_move;
  static constexpr bool keeps_step = delays::with_after && delays::with_move;
  static constexpr std::size_t copies = (looks_back ? 1 : 0) + (keeps_gradient ? 1 : 0) + (keeps_step ? 1 : 0);

  template <class F, bool Changes>
  struct make_gradient {
    F change;
    S divide, scale;
    template <class... States>
    FOAL_HOST_DEVICE void operator()(S const& w, S& g, States const&... states) const {
      g = g / divide * scale;
      if constexpr (Changes) g = change(g, w, states...);
    }
  };

  static long long state_size(void const* part, int state, shape extent) {
    return optim::state_size_of(*static_cast<Optimizer const*>(part), state, extent);
  }
  static long long scratch_size(void const* part, shape extent) {
    return optim::scratch_size_of(*static_cast<Optimizer const*>(part), extent);
  }
  static std::size_t scratch_bytes(void const* part, shape extent) {
    return room_for<S>(scratch_size(part, extent)) + copies * room_for<S>(extent.size());
  }

  /// What multiplies exactly, of a device that rounds for layers.
  static auto& exact(D& d) {
    if constexpr (requires { d.exact(); })
      return d.exact();
    else
      return d;
  }
  static void own_step(update_call const& c) {
    S* states[most_states]{};
    for (int k = 0; k < base::own; ++k) states[k] = static_cast<S*>(c.states[k]);
    static_cast<Optimizer const*>(c.optimizer)
        ->step(exact(*static_cast<D*>(c.device)), c.extent, static_cast<S*>(c.w), static_cast<S*>(c.g), states,
               static_cast<S*>(c.scratch), moment_of(c));
  }

  template <std::size_t... A, std::size_t... O>
  static void delayed_step(update_call const& c, std::index_sequence<A...>, std::index_sequence<O...>) {
    auto& device = *static_cast<D*>(c.device);
    auto const& policy = *static_cast<Delay const*>(c.delay);
    S *const w = static_cast<S*>(c.w), *const g = static_cast<S*>(c.g);
    make_gradient<typename delays::gradient_type, delays::with_gradient> const make{
        delays::gradient(policy, c.moment), static_cast<S>(c.divide), static_cast<S>(c.scale)};
    if constexpr (delays::with_gradient)
      device.map(c.n, make, static_cast<S const*>(w), g, static_cast<S const*>(c.delay_states[A])...,
                 static_cast<S const*>(c.states[O])...);
    else
      device.map(c.n, make, static_cast<S const*>(w), g);
    auto* const before =
        reinterpret_cast<S*>(static_cast<std::byte*>(c.scratch) + room_for<S>(scratch_size(c.optimizer, c.extent)));
    auto* const gradient = reinterpret_cast<S*>(reinterpret_cast<std::byte*>(before) + room_for<S>(c.extent.size()));
    auto* const made = reinterpret_cast<S*>(reinterpret_cast<std::byte*>(gradient) + room_for<S>(c.extent.size()));
    if constexpr (looks_back) device.copy(before, w, c.n * sizeof(S));
    if constexpr (keeps_gradient) device.copy(gradient, g, c.n * sizeof(S));
    own_step(c);
    S const* after = w;
    if constexpr (delays::with_move) {
      if constexpr (keeps_step) {
        device.copy(made, w, c.n * sizeof(S));
        after = made;
      }
      move_on<S, typename delays::move_type> const go{delays::move(policy, c.moment)};
      device.map(c.n, go, static_cast<S const*>(before), static_cast<S const*>(gradient), w,
                 static_cast<S const*>(c.delay_states[A])..., static_cast<S const*>(c.states[O])...);
    }
    watch<S, typename delays::after_type> const see{delays::after(policy, c.moment)};
    if constexpr (delays::after_with_gradient) {
      device.map(c.n, see, static_cast<S const*>(before), after, static_cast<S const*>(gradient),
                 static_cast<S*>(c.delay_states[A])..., static_cast<S const*>(c.states[O])...);
    } else if constexpr (delays::with_after) {
      device.map(c.n, see, static_cast<S const*>(before), after, static_cast<S*>(c.delay_states[A])...,
                 static_cast<S const*>(c.states[O])...);
    }
    static_cast<void>(see), static_cast<void>(before), static_cast<void>(gradient), static_cast<void>(made),
        static_cast<void>(after);
    device.zero(g, c.n * sizeof(S));
  }
  /// Where the delay policy does not act. A function of its own: with empty packs in the one above, g++ 12 breaks off.
  static void plain_step(update_call const& c) {
    using plain = delay_functors<S, Delay, false>;
    auto& device = *static_cast<D*>(c.device);
    auto* const g = static_cast<S*>(c.g);
    make_gradient<typename plain::gradient_type, false> const make{
        plain::gradient(*static_cast<Delay const*>(c.delay), c.moment), static_cast<S>(c.divide), static_cast<S>(c.scale)};
    device.map(c.n, make, static_cast<S const*>(c.w), g);
    own_step(c);
    device.zero(g, c.n * sizeof(S));
  }

  static void update(update_call const& c) {
    if (c.compensate)
      delayed_step(c, delayed_states{}, seen_states{});
    else
      plain_step(c);
  }

  static constexpr bool bounded = base::delay_bounded && optim::bounds_parameters<Optimizer, S>;
  static bool bound(update_call const& c, update_bounds& b) {
    return base::grows(c, b,
                       [&] { static_cast<Optimizer const*>(c.optimizer)->template bound<S>(c.extent, moment_of(c), b); });
  }
};

template <class D, class S, class Optimizer, class Delay>
constexpr optimizer_functions optimizer_of(void const* (*part)(void const*)) {
  optimizer_functions f;
  f.states = Optimizer::states;
  f.part = part;
  if constexpr (optim::steps_on<Optimizer, D, S>) {
    using t = whole_thunks<D, S, Optimizer, Delay>;
    f.whole = true;
    f.update = &t::update;
    f.state_size = &t::state_size;
    f.scratch_bytes = &t::scratch_bytes;
    if constexpr (t::bounded) f.bound = &t::bound;
  } else if constexpr (optim::elementwise<Optimizer> && optim::takes_its_states<Optimizer, S>()) {
    using t = elementwise_thunks<D, S, Optimizer, Delay>;
    f.update = &t::update;
    if constexpr (device::asynchronous<D>) f.numbers = {t::numbers, &t::write};
    if constexpr (t::bounded) f.bound = &t::bound;
  }
  return f;
}

template <class Policy, int I>
void const* part_of(void const* policy) {
  return &static_cast<Policy const*>(policy)->template part<I>();
}
inline void const* itself(void const* policy) { return policy; }

template <class D, class S, class Policy, class Delay, int... I>
constexpr void add_parts(policy_functions& f, std::integer_sequence<int, I...>) {
  static_assert(sizeof...(I) <= most_optimizers, "foal: cannot choose among more than 4 optimizers; take some together");
  ((f.optimizer[I] =
        optimizer_of<D, S, std::remove_cvref_t<decltype(std::declval<Policy const&>().template part<I>())>, Delay>(
            &part_of<Policy, I>)),
   ...);
  f.optimizers = static_cast<int>(sizeof...(I));
}

template <class D, class S, class Policy, class Delay>
constexpr void add_optimizers(policy_functions& f) {
  if constexpr (optim::chooses<Policy>)
    add_parts<D, S, Policy, Delay>(f, std::make_integer_sequence<int, Policy::parts>{});
  else
    f.optimizer[0] = optimizer_of<D, S, Policy, Delay>(&itself);
}

}  // namespace detail

}  // namespace foal::lower
