// Compile-time checks of a trainer's policies: each a struct whose arguments are the facts, and one sentence.
#pragma once

#include <type_traits>

#include <foal/core/role.hpp>
#include <foal/layer/contract.hpp>
#include <foal/lower/device.hpp>
#include <foal/lower/hook.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/delay/concept.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/lr/concept.hpp>
#include <foal/policy/optim/concept.hpp>
#include <foal/policy/replica/concept.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/proof/verdict.hpp>

namespace foal::lower {

/// Known: a trainer has the role.
template <class P, bool Known>
struct policy_has_a_role {
  static_assert(
      !std::is_same_v<typename foal::detail::role_of<P>::type, role::loss>,
      "foal: cannot use this loss as a policy, because a trainer has one loss, its second argument; leave one out");
  static_assert(!has_role<P> || Known || std::is_same_v<typename foal::detail::role_of<P>::type, role::loss>,
                "foal: cannot use this type as a policy, because its role is none that a trainer asks for; use one of "
                "foal::role (optimizer, learning_rate, delay, ...)");
  static_assert(has_role<P>,
                "foal: cannot use this type as a policy, because it does not say what it is for; add using role = "
                "foal::role::optimizer, or another of foal/core/role.hpp");
};

/// Where a role asks nothing of its policies.
template <class Role>
struct nothing_to_check {};

// Takes one list of policies for each role; more than one policy is an error that names the first two.
template <class Role, class Found>
struct at_most_one {};
template <class Role, class First, class Second, class... More>
struct at_most_one<Role, type_list<First, Second, More...>> {
  static_assert(
      std::is_void_v<First>,
      "foal: cannot use two policies of one role, because only one of First and Second can act; leave one out, or join "
      "two delay policies with foal::delay::chain");
};

template <class P, class S, class D>
struct is_an_optimizer {
  static_assert(
      optim::optimizer<P>,
      "foal: cannot use this policy as an optimizer, because it lacks a member; it needs static constexpr int states and "
      "template <class S> functor prepare(double rate, long long t) const, where the functor takes (S& w, S g, S& "
      "states...)");
  static_assert(optim::has_an_elementwise_base<P>(),
                "foal: cannot average weights or group parameters around the Base of this optimizer, because that takes "
                "parameters as a whole; use an elementwise Base, or have its own step() do it");
  static_assert(optim::takes_its_states<P, S>(),
                "foal: cannot use this policy as an optimizer, because the functor that its prepare() gives does not take "
                "as many states as its `states` says; let it be void operator()(S& w, S g, S& states...) const with one S& "
                "for each");
  static_assert(!optim::takes_parameters<P> || optim::steps_on<P, D, S>,
                "foal: cannot use this optimizer per parameter, because it lacks step(), or that has another signature; it "
                "needs template <class D, class S> void step(D& device, foal::shape extent, S* w, S* g, S* const* states, "
                "S* scratch, foal::optim::moment) const");
};

template <class P>
struct is_a_learning_rate {
  static_assert(
      lr::learning_rate<P>,
      "foal: cannot use this policy as a learning rate, because it lacks a member; it needs double at(foal::lr::moment) "
      "const");
};

template <class P>
struct clips {
  static_assert(clip::clipping<P>,
                "foal: cannot clip gradients by this policy, because it lacks a member; it needs static constexpr "
                "foal::clip::scope norm_of, and double scale(double norm) const unless that is none");
};

template <class P>
struct joins_replicas {
  static_assert(
      replica::rule<P>,
      "foal: cannot join replicas by this policy, because it lacks a member; it needs static constexpr "
      "foal::replica::exchanged exchanges and, where that is weights, has_momentum, interval(), merge() and take() "
      "(policy/replica/concept.hpp)");
};

template <class P>
struct is_a_warmup {
  static_assert(
      warmup::has_program<P> || std::is_same_v<P, warmup::none>,
      "foal: cannot warm up by this policy, because it lacks a member; it needs long long minibatches and "
      "foal::schedule::program program(foal::schedule::program_view main) const, which makes the warm-up's program from the "
      "schedule's");
};

template <class P>
struct is_an_accumulation {
  static_assert(accumulate::accumulation<P>,
                "foal: cannot accumulate weight gradients by this policy, because it does not say when; it needs static "
                "constexpr bool once_a_minibatch; false computes them with every microbatch");
};

template <class Hook, class S, class Device, bool HostMemory>
struct is_a_hook {
  static constexpr bool given = !std::is_same_v<Hook, no_hook>;
  static_assert(
      !given || update_hook<Hook, S>,
      "foal: cannot call this policy after an update, because its member does not take the stage as it is; give it "
      "void after_update(foal::update_view<S> const&), with S the trainer's scalar type or a template argument");
  static_assert(!given || HostMemory,
                "foal: cannot call a hook on this Device, because its memory cannot be read by the host, where hooks run; "
                "leave the hook out, or train on foal::device::host");
};

namespace detail {

// A member of that name exists, whatever its signature.
template <class P>
constexpr bool names_backward_weight =
    (requires { &P::backward_weight; }) || (requires { &P::template backward_weight<float>; });
template <class P>
constexpr bool names_forward_weight =
    (requires { &P::forward_weight; }) || (requires { &P::template forward_weight<float>; });
template <class P>
constexpr bool names_gradient = (requires { &P::gradient; }) || (requires { &P::template gradient<float>; });
template <class P>
constexpr bool names_after_update = (requires { &P::after_update; }) || (requires { &P::template after_update<float>; });

template <class P>
constexpr bool names_microbatch_gradient =
    (requires { &P::microbatch_gradient; }) || (requires { &P::template microbatch_gradient<float>; });

template <class P>
constexpr bool names_move = (requires { &P::move; }) || (requires { &P::template move<float>; });
template <class P>
constexpr bool names_summands = (requires { &P::summands; }) || (requires { &P::template summands<float>; });

template <class P, class S>
constexpr bool acts = delay::predicts_forward<P, S> || delay::corrects_backward<P, S> || delay::changes_gradient<P, S> ||
                      delay::changes_microbatches<P, S> || delay::moves_weights<P, S>;

}  // namespace detail

template <class P, class S>
struct is_a_delay_policy {
  static_assert(
      delay::delay_policy<P>,
      "foal: cannot use this policy for delay compensation, because it lacks static constexpr int states (arrays per "
      "parameter); add it, 0 if there are none");
  static_assert(!detail::names_backward_weight<P> || delay::corrects_backward<P, S>,
                "foal: cannot call backward_weight of this delay policy, because it must be template <class S> functor "
                "backward_weight(foal::delay::moment) const; give it that signature");
  static_assert(!detail::names_forward_weight<P> || delay::predicts_forward<P, S>,
                "foal: cannot call forward_weight of this delay policy, because it must be template <class S> functor "
                "forward_weight(foal::delay::moment) const; give it that signature");
  static_assert(!detail::names_gradient<P> || delay::changes_gradient<P, S>,
                "foal: cannot call gradient of this delay policy, because it must be template <class S> functor "
                "gradient(foal::delay::moment) const; give it that signature");
  static_assert(!detail::names_microbatch_gradient<P> || delay::changes_microbatches<P, S>,
                "foal: cannot call microbatch_gradient of this delay policy, because it must be template <class S> functor "
                "microbatch_gradient(foal::delay::moment) const; give it that signature");
  static_assert(!detail::names_after_update<P> || delay::watches_updates<P, S>,
                "foal: cannot call after_update of this delay policy, because it must be template <class S> functor "
                "after_update(foal::delay::moment) const; give it that signature");
  static_assert(!detail::names_move<P> || delay::moves_weights<P, S>,
                "foal: cannot call move of this delay policy, because it must be template <class S> functor "
                "move(foal::delay::moment) const; give it that signature");
  static_assert(!detail::names_summands<P> || delay::adds_up<P, S> || delay::sums_of<P>() == 0,
                "foal: cannot call summands of this delay policy, because it must be template <class S> functor "
                "summands(foal::delay::moment) const; give it that signature");
  static_assert(delay::take_its_states<P, S>(),
                "foal: cannot use this delay policy, because a functor that it gives does not take as many states as its "
                "`states` says; let forward_weight's and backward_weight's be S operator()(S w, S const& states...) const, "
                "gradient's (S g, S w, S const& states...), microbatch_gradient's (S g, S w, S then, S const& states...), "
                "after_update's (S before, S after, S& states...), move's (S after, S before, S g, S const& states...) and "
                "summands' (double* add, S g, S w, S const& states...), with the optimizer's states that it sees behind its "
                "own");
  static_assert(
      detail::acts<P, S> || std::is_same_v<P, delay::none> || detail::names_backward_weight<P> ||
          detail::names_forward_weight<P> || detail::names_gradient<P> || detail::names_microbatch_gradient<P> ||
          detail::names_move<P>,
      "foal: cannot use this delay policy, because it has no effect: it has none of forward_weight, backward_weight, "
      "gradient, microbatch_gradient and move; add one");
};

template <class Schedule, class Policy, bool HasEffect>
struct delay_policy_has_an_effect {
  static_assert(HasEffect,
                "foal: cannot use this delay policy (Policy) with this Schedule, because it has no effect: the schedule is "
                "synchronous and no weight is ever stale; remove it or use foal::schedule::pipemare or async_1f1b");
};
template <class Versions, class Policy, bool HasEffect>
struct discrepancy_exists {
  static_assert(HasEffect,
                "foal: cannot use this delay policy (Policy) with these Versions, because its correction of B has no "
                "effect, nor its prediction for F: B reads the version that its F read, as that was; remove one of the two");
};
template <class Schedule, class Rate, bool HasEffect>
struct rescheduling_has_an_effect {
  static_assert(
      HasEffect,
      "foal: cannot use T1 (foal::lr::reschedule) with this Schedule, because it has no effect: the schedule is synchronous "
      "and its delay is 0; use the base rate or an asynchronous schedule");
};
template <class Schedule, class Warmup, bool HasEffect>
struct warmup_has_an_effect {
  static_assert(
      HasEffect,
      "foal: cannot use T3 (foal::warmup::synchronous) with this Schedule, because it has no effect: the schedule is "
      "synchronous from the start; remove it or use an asynchronous schedule");
};
template <class Versions>
struct is_a_versions_rule {
  static_assert(
      versions::rule<Versions>,
      "foal: cannot use this policy as a rule of weight versions, because it lacks a member; it needs name and constexpr "
      "foal::schedule::version_read read(foal::schedule::version_table const& there, int stage, int j) const");
};
template <class Schedule, class Versions, bool Possible>
struct versions_fit_the_schedule {
  static_assert(
      Possible,
      "foal: cannot use these Versions with this Schedule: flush needs a synchronous schedule, live and stash need an "
      "asynchronous one, as all rules do that read no older weights than there are; remove the versions policy, each "
      "schedule has its default");
};

/// Layer, which has a name and an output shape, also has what runs on the device D in the scalar S.
template <class Layer, class D, class S>
constexpr bool runs_forward =
    requires(context<D, S>& ctx, S const* x, weights<S const> w, S* y, saved<S> s) { Layer::forward(ctx, x, w, y, s); };
template <class Layer, class D, class S>
constexpr bool runs_backward = requires(context<D, S>& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx) {
  Layer::backward_input(ctx, dy, w, s, dx);
};
template <class Layer, class D, class S>
constexpr bool runs_backward_weight =
    (requires(context<D, S>& ctx, S const* dy, saved<S> s, weights<S> dw) { Layer::backward_weight(ctx, dy, s, dw); }) ||
    !(requires(shape in) { Layer::parameters(in); });

/// The device has the ops that the layer, or loss, says it calls.
template <class Layer, class D, class S>
constexpr bool runs = device::ops::serve<Layer, D, S> && runs_forward<Layer, D, S> && runs_backward<Layer, D, S> &&
                      runs_backward_weight<Layer, D, S>;

template <class Layer, class D, class S>
struct layer_runs {
  static_assert(sizeof(detail::device_has_all<Layer, D, S, typename device::ops::detail::ops_of<Layer>::type>) > 0);
  static_assert(
      runs_forward<Layer, D, S>,
      "foal: cannot run this Layer, because it lacks template <class C, class S = typename C::scalar> static void "
      "forward(C& ctx, S const* x, foal::weights<S const> w, S* y, foal::saved<S> s); add it, or give it that signature");
  static_assert(
      runs_backward<Layer, D, S>,
      "foal: cannot run this Layer, because it lacks template <class C, class S = typename C::scalar> static void "
      "backward_input(C& ctx, S const* dy, foal::weights<S const> w, foal::saved<S> s, S* dx); add it, or give it that "
      "signature");
  static_assert(
      runs_backward_weight<Layer, D, S>,
      "foal: cannot train this Layer, because it has parameters but lacks template <class C, class S = typename "
      "C::scalar> static void backward_weight(C& ctx, S const* dy, foal::saved<S> s, foal::weights<S> dw); add it, or "
      "give it that signature");
};

// The arguments name what is wrong, and both ops.
template <class Schedule, schedule::flaw What, schedule::op_kind First, int FirstStage, int FirstMicrobatch, int FirstRank,
          schedule::op_kind Second, int SecondStage, int SecondMicrobatch, int SecondRank>
struct schedule_is_sound {
  static_assert(
      What == schedule::flaw::none,
      "foal: cannot train with this Schedule, because of the flaw (foal::schedule::flaw) that the two ops named here show "
      "as kind, stage, microbatch, rank; move one of them in the Schedule's emit()");
};

/// A schedule's proof for some extent, as a base class that compiles only without a flaw.
template <class Schedule, schedule::verdict V>
struct proved_sound : schedule_is_sound<Schedule, V.what, V.first.kind, V.first.stage, V.first.microbatch, V.first_rank,
                                        V.second.kind, V.second.stage, V.second.microbatch, V.second_rank> {};

template <class Schedule, class Clip, bool Possible>
struct clipping_fits_the_schedule {
  static_assert(
      Possible,
      "foal: cannot clip by the norm of the whole model (Clip) with this Schedule, because it is asynchronous: its "
      "stages update at different times, and none of them finds the others' gradients of its minibatch; clip by "
      "foal::clip::per_stage, or use a synchronous schedule");
};
template <class Delay, class Optimizer, bool Enough>
struct optimizer_has_states {
  static_assert(Enough,
                "foal: cannot show this delay policy (Delay) as many states of this Optimizer as its sees_optimizer_states "
                "says, because a parameter of it has fewer; use an optimizer that has them, or see fewer");
};
template <class Delay, class Accumulation, bool Possible>
struct microbatches_have_gradients {
  static_assert(
      Possible,
      "foal: cannot change each microbatch's gradient by this delay policy (Delay) with this Accumulation, because "
      "the weight gradient of a minibatch is one product there; use foal::accumulate::each, or change the "
      "minibatch's gradient");
};

// Weights are read that are older than those that their minibatch will change.
template <class Schedule, class Versions>
constexpr bool is_delayed = Schedule::asynchronous || versions::delays_a_synchronous<Versions>;

/// What must be true of a trainer's policies together; T has the types: schedule_type, scalar_type and policy<Role>.
template <
    class T, class Schedule = typename T::schedule_type, class S = typename T::scalar_type,
    class Delay = typename T::template policy<role::delay>, class Rate = typename T::template policy<role::learning_rate>,
    class Versions = typename T::template policy<role::versions>, class Warmup = typename T::template policy<role::warmup>,
    class Optimizer = typename T::template policy<role::optimizer>,
    class Accumulation = typename T::template policy<role::accumulation>>
struct policies_fit
    : delay_policy_has_an_effect<Schedule, Delay, is_delayed<Schedule, Versions> || std::is_same_v<Delay, delay::none>>,
      discrepancy_exists<Versions, Delay,
                         !versions::reads_one_version<Versions> ||
                             !(delay::predicts_forward<Delay, S> || delay::corrects_backward<Delay, S>)>,
      clipping_fits_the_schedule<Schedule, typename T::template policy<role::clip>,
                                 !(Schedule::asynchronous && clip::takes_all<typename T::template policy<role::clip>>())>,
      optimizer_has_states<Delay, Optimizer, delay::sees<Delay>() <= optim::least_states<Optimizer>()>,
      microbatches_have_gradients<Delay, Accumulation,
                                  !(delay::changes_microbatches<Delay, S> && accumulate::once_a_minibatch<Accumulation>())>,
      rescheduling_has_an_effect<Schedule, Rate, is_delayed<Schedule, Versions> || !lr::needs_delay<Rate>>,
      warmup_has_an_effect<Schedule, Warmup, is_delayed<Schedule, Versions> || !warmup::has_program<Warmup>>,
      versions_fit_the_schedule<Schedule, Versions,
                                !versions::rule<Versions> ||
                                    versions::needs_a_flush<Versions> != is_delayed<Schedule, Versions>> {};

}  // namespace foal::lower
