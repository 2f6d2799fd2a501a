// The first arguments of a trainer: a net, a loss and a schedule; and one sentence where they are something else.
#pragma once

#include <concepts>
#include <type_traits>

#include <foal/core/role.hpp>
#include <foal/layer/contract.hpp>
#include <foal/layer/loss/result.hpp>
#include <foal/model/stages.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/pipemare.hpp>

namespace foal::lower {

/// Stands where an argument was left out.
struct nothing_given {};

/// Needs: target, the type of a target, or void for the scalar of the run; name; targets(output), how many of a sample;
/// weight(output, samples), what the sum of so many samples is divided by to be a mean; apply(), as loss::cross_entropy has
/// it.
template <class L>
concept loss_function = requires(shape output) {
  typename L::target;
  { L::name } -> std::convertible_to<char const*>;
  { L::targets(output) } -> std::convertible_to<int>;
  { L::weight(output, 1) } -> std::convertible_to<double>;
};

enum class argument_mistake { none, net_is_a_layer, no_net, swapped, no_loss, no_schedule };

template <class Net, class Loss, class Schedule>
constexpr argument_mistake mistake_in() {
  if constexpr (!model<Net> && layer<Net>)
    return argument_mistake::net_is_a_layer;
  else if constexpr (!model<Net>)
    return argument_mistake::no_net;
  else if constexpr (schedule::generator<Loss> && loss_function<Schedule>)
    return argument_mistake::swapped;
  else if constexpr (!loss_function<Loss>)
    return argument_mistake::no_loss;
  else if constexpr (!schedule::generator<Schedule>)
    return argument_mistake::no_schedule;
  else
    return argument_mistake::none;
}

// The types named here are what was given.
template <argument_mistake Mistake, class Net, class Loss, class Schedule>
struct arguments_are_in_order {
  static_assert(Mistake != argument_mistake::net_is_a_layer,
                "foal: cannot train this Net, because it is a layer and not a model; write struct net : "
                "foal::stages<foal::input<features>, layers...> {}; and give that");
  static_assert(
      Mistake != argument_mistake::no_net,
      "foal: cannot train this Net, because it is no model; derive a struct from foal::stages<foal::input<...>, layers...> "
      "and give that first");
  static_assert(Mistake != argument_mistake::swapped,
                "foal: cannot train with this Loss and this Schedule, because they are swapped; write the loss first and "
                "the schedule after it: foal::trainer<net, loss, schedule, policies...>");
  static_assert(Mistake != argument_mistake::no_loss,
                "foal: cannot train with this Loss, because it is no loss, or lacks target, name, targets() or weight(); "
                "give one as the second argument: foal::trainer<net, foal::loss::cross_entropy, schedule, policies...>");
  static_assert(
      Mistake != argument_mistake::no_schedule,
      "foal: cannot train with this Schedule, because it is none, or lacks name, asynchronous or emit(); give one as the "
      "third argument, before all policies: foal::trainer<net, loss, foal::schedule::gpipe, policies...>");
};

namespace detail {

struct layer_in_place {
  static constexpr char const* name = "in place of a layer";
  static constexpr shape output(shape in) { return in; }
  template <class C, class S = typename C::scalar>
  static void forward(C&, S const*, weights<S const>, S*, saved<S>) {}
  template <class C, class S = typename C::scalar>
  static void backward_input(C&, S const*, weights<S const>, saved<S>, S*) {}
};
struct net_in_place : stages<input<1>, layer_in_place> {};

struct loss_in_place {
  using target = void;
  static constexpr char const* name = "in place of a loss";
  static constexpr int targets(shape) { return 1; }
  static constexpr double weight(shape, int) { return 1; }
  template <class C, class S = typename C::scalar>
  loss::loss_result apply(C&, S const*, S const*, double, S*) const {
    return {};
  }
};

template <class T>
constexpr int kind_of() {
  if constexpr (schedule::generator<T>)
    return 2;
  else if constexpr (loss_function<T>)
    return 1;
  else
    return 0;
}
template <int kind, class Default, class... Ts>
using first_of =
    type_at<concat<std::conditional_t<kind_of<Ts>() == kind, type_list<Ts>, type_list<>>..., type_list<Default>>, 0>;

}  // namespace detail

/// The arguments that a trainer goes on with, as Types<net, loss, schedule, policies...>: those given, or where one is
/// wrong those that stand in its place, so that one mistake is one error.
template <bool right, template <class...> class Types, class Net, class Loss, class Schedule, class... Policies>
struct arguments {
  using type = Types<Net, Loss, Schedule, Policies...>;
};
template <template <class...> class Types, class Net, class Loss, class Schedule, class... Policies>
struct arguments<false, Types, Net, Loss, Schedule, Policies...> {
  using type = Types<std::conditional_t<model<Net>, Net, detail::net_in_place>,
                     detail::first_of<1, detail::loss_in_place, Loss, Schedule, Policies...>,
                     detail::first_of<2, schedule::pipemare, Loss, Schedule, Policies...>, Loss, Schedule, Policies...>;
};

}  // namespace foal::lower
