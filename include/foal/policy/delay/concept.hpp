// What a delay policy may offer, and what it is asked with.
#pragma once

#include <concepts>
#include <utility>

#include <foal/core/role.hpp>
#include <foal/core/type_list.hpp>

namespace foal::delay {

/// Rates of a stage's updates to come, as its learning-rate policy has them now.
struct rates_to_come {
  void const *tables = nullptr, *unit = nullptr;
  double (*of)(void const* tables, void const* unit, long long ahead) = nullptr;
  double factor = 1;  ///< the parameter's own
};

inline constexpr int most_sums = 4;

/// A stage at one op of the asynchronous phase. tau and lag are in minibatches (updates).
struct moment {
  double tau_fwd = 0, tau_bkwd = 0;  ///< the stage's mean delays: v_U - v_F and v_U - v_B
  double lag = 0;                    ///< tau_fwd - tau_bkwd, or for one microbatch v_B - v_F where the policy asks for it
  double rate = 0;                   ///< the learning rate of this update; in F, B and W that of the last one (0: none yet)
  long long since = 0;               ///< updates since the asynchronous phase began
  long long updates = 0;             ///< since the run began; in U those before this one
  int stage = 0, stages = 1, microbatches = 1;
  double sums[most_sums]{};  ///< in gradient, of a policy with summands: its sums over the parameter
  rates_to_come rates{};

  /// The rate of the stage's k-th update from now, 1 being the next one (in U: this one); where nobody says, `rate`.
  double rate_ahead(long long k) const {
    return rates.of != nullptr ? rates.factor * rates.of(rates.tables, rates.unit, k) : rate;
  }
};

/// A stage in the asynchronous phase, before the run.
struct stage_view {
  int stage = 0, stages = 1, microbatches = 1;
  double tau_fwd = 0, tau_bkwd = 0;
  int least_delay = 0;  ///< the least v_U - v_F of a microbatch
};

/// Which parameters get the policy's state arrays.
enum class scope { read_in_backward, all };

/// Needs: role = foal::role::delay; static constexpr int states (arrays per parameter, zero when the asynchronous phase
/// begins). May have, each a template on the scalar type S that takes a moment and gives an elementwise functor (S... are
/// the states):
///   forward_weight<S>(moment)   S f(S w, S const&... state)          the weight that F reads
///   backward_weight<S>(moment)  S f(S w, S const&... state)          the weight that B reads
///   gradient<S>(moment)         S f(S g, S w, S const&... state)     the gradient that the optimizer gets
///   microbatch_gradient<S>(moment)  S f(S g, S w, S then, S const&... state)   what a microbatch adds to the gradient, with
///                               w the weight as it is when W runs and then the one that the microbatch's F has read
///   after_update<S>(moment)     void f(S before, S after, S&... state); with static constexpr bool watches_gradients = true
///                               (S before, S after, S g, S&... state), g being what the optimizer got
///   move<S>(moment)             S f(S after, S before, S g, S const&... state)   what the weight becomes, of what the
///                               optimizer has made of it with the gradient g; states as before after_update, which sees
///                               the optimizer's `after`
///   read_out<S>(moment)         S f(S w, S const&... own)   the weight to evaluate: trainer::read_out. Own states alone
///   summands<S>(moment)         void f(double* add, S g, S w, S const&... state)   for policies with static constexpr int
///                               sums = k (at most 4): add[0] to add[k - 1], whose sums over the parameter `gradient` gets
///                               in its moment. They cost a pass over it, in a fixed order
/// and: static constexpr int sees_optimizer_states = k, by which every functor gets the optimizer's first k states, S
/// const&, after its own (momentum's one is v; move and after_update get them as the update has left them); void
/// fits(stage_view const&) const, which throws where the policy has no meaning at a stage; static constexpr scope states_of;
/// bool exact_lag() const (lag of each microbatch instead of the mean); static constexpr bool needs_lag = true where it acts
/// only if B reads other weights than its F did. With states, the functors act on the parameters that have them; without, on
/// all.
template <class P>
concept delay_policy = std::same_as<typename P::role, foal::role::delay> && requires {
  { P::states } -> std::convertible_to<int>;
};

template <class P, class S>
concept predicts_forward = requires(P const p, moment m) { p.template forward_weight<S>(m); };
template <class P, class S>
concept corrects_backward = requires(P const p, moment m) { p.template backward_weight<S>(m); };
template <class P, class S>
concept changes_gradient = requires(P const p, moment m) { p.template gradient<S>(m); };
template <class P, class S>
concept changes_microbatches = requires(P const p, moment m) { p.template microbatch_gradient<S>(m); };
template <class P, class S>
concept watches_updates = requires(P const p, moment m) { p.template after_update<S>(m); };
template <class P, class S>
concept moves_weights = requires(P const p, moment m) { p.template move<S>(m); };
template <class P, class S>
concept reads_out = requires(P const p, moment m) { p.template read_out<S>(m); };
template <class P, class S>
concept adds_up = requires(P const p, moment m) {
  requires P::sums >= 1;
  p.template summands<S>(m);
};

/// Such a policy acts at the stages where B reads other weights than its F did; any other at all stages, but only on
/// gradients beside weight stashing, where F and B read what is stashed.
template <class P>
concept needs_lag = requires { requires P::needs_lag; };

/// Has bound(double before, double after, double* states): no magnitude of the weights before and after an update being
/// above these two numbers, it turns such numbers of the policy's states before the update into those after it.
template <class P>
concept bounds_itself = requires(P const p, double* states) { p.bound(1.0, 1.0, states); };

template <class P>
constexpr scope states_of() {
  if constexpr (requires { P::states_of; })
    return P::states_of;
  else
    return scope::read_in_backward;
}

/// How many of the optimizer's states its functors get.
template <class P>
constexpr int sees() {
  if constexpr (requires { P::sees_optimizer_states; })
    return P::sees_optimizer_states;
  else
    return 0;
}

/// after_update sees the gradient.
template <class P>
concept watches_gradients = requires { requires P::watches_gradients; };

/// How many sums over a parameter it asks for.
template <class P>
constexpr int sums_of() {
  if constexpr (requires { P::sums; })
    return P::sums;
  else
    return 0;
}

namespace detail {

/// F takes (Fixed..., own times State, seen times S const&).
template <class F, class State, class S, class... Fixed, std::size_t... Own, std::size_t... Seen>
constexpr bool takes_both(std::index_sequence<Own...>, std::index_sequence<Seen...>) {
  return std::is_invocable_v<F const&, Fixed..., foal::detail::one_of<State, Own>...,
                             foal::detail::one_of<S const&, Seen>...>;
}
template <class P, class F, class State, class S, class... Fixed>
constexpr bool takes() {
  return takes_both<F, State, S, Fixed...>(std::make_index_sequence<static_cast<std::size_t>(P::states)>{},
                                           std::make_index_sequence<static_cast<std::size_t>(sees<P>())>{});
}

}  // namespace detail

/// Its functors take as many states as it declares. True where it is no delay policy: that is said elsewhere.
template <class P, class S>
constexpr bool take_its_states() {
  bool all = true;
  if constexpr (delay_policy<P>) {
    constexpr moment m{};
    if constexpr (predicts_forward<P, S>)
      all = all && detail::takes<P, decltype(std::declval<P const&>().template forward_weight<S>(m)), S const&, S, S>();
    if constexpr (corrects_backward<P, S>)
      all = all && detail::takes<P, decltype(std::declval<P const&>().template backward_weight<S>(m)), S const&, S, S>();
    if constexpr (changes_gradient<P, S>)
      all = all && detail::takes<P, decltype(std::declval<P const&>().template gradient<S>(m)), S const&, S, S, S>();
    if constexpr (changes_microbatches<P, S>)
      all = all &&
            detail::takes<P, decltype(std::declval<P const&>().template microbatch_gradient<S>(m)), S const&, S, S, S, S>();
    if constexpr (watches_updates<P, S> && watches_gradients<P>)
      all = all && detail::takes<P, decltype(std::declval<P const&>().template after_update<S>(m)), S&, S, S, S, S>();
    else if constexpr (watches_updates<P, S>)
      all = all && detail::takes<P, decltype(std::declval<P const&>().template after_update<S>(m)), S&, S, S, S>();
    if constexpr (moves_weights<P, S>)
      all = all && detail::takes<P, decltype(std::declval<P const&>().template move<S>(m)), S const&, S, S, S, S>();
    if constexpr (adds_up<P, S>)
      all =
          all && detail::takes<P, decltype(std::declval<P const&>().template summands<S>(m)), S const&, S, double*, S, S>();
  }
  return all;
}

}  // namespace foal::delay
