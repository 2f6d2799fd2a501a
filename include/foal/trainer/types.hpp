// The types of a trainer: its model, loss and schedule, and the policy of each role, with the defaults.
#pragma once

#include <type_traits>

#include <foal/core/role.hpp>
#include <foal/lower/arguments.hpp>
#include <foal/lower/policy_values.hpp>
#include <foal/trainer/roles.hpp>

namespace foal::detail {

template <class Net, class Loss, class Schedule, class... Policies>
struct types_by_role {
  using model_type = Net;
  using loss_type = Loss;
  using schedule_type = Schedule;
  template <class Role>
  using policy = find_role<Role, typename role_row<Role>::template otherwise<types_by_role>, Policies...>;
  using device_type = typename policy<role::device>::type;
  using scalar_type = typename policy<role::scalar>::type;
  using target_type = lower::detail::target_of<Loss, scalar_type>;

 private:
  template <class Role>
  struct role_is_sound : lower::at_most_one<Role, with_role<Role, Policies...>>,
                         role_row<Role>::template sound<policy<Role>, types_by_role> {};
  template <class Roles>
  struct all_are_sound;
  template <class... Roles>
  struct all_are_sound<type_list<Roles...>> : role_is_sound<Roles>... {};

 public:
  struct checks : lower::policy_has_a_role<Policies, is_known<typename foal::detail::role_of<Policies>::type>>...,
                  all_are_sound<all_roles>,
                  lower::policies_fit<types_by_role> {};
};

/// What lower() takes of a config: the policies of all roles, and the loss.
template <class T, class Config, class... Roles>
auto values_of(Config const& config, type_list<Roles...>) {
  return lower::policy_values(
      lower::policy_value<role::loss, typename T::loss_type>{&config.loss},
      lower::policy_value<Roles, typename T::template policy<Roles>>{&value_of<T, Roles>(config)}...);
}

/// Of the arguments of a trainer; what is wrong with the first three is said here, and nothing else is then judged.
template <class Net, class Loss, class Schedule, class... Policies>
class trainer_types : public lower::arguments<lower::mistake_in<Net, Loss, Schedule>() == lower::argument_mistake::none,
                                              types_by_role, Net, Loss, Schedule, Policies...>::type {
  static constexpr lower::argument_mistake mistake_ = lower::mistake_in<Net, Loss, Schedule>();
  static_assert(sizeof(lower::arguments_are_in_order<mistake_, Net, Loss, Schedule>) > 0);

 public:
  using base = typename lower::arguments<mistake_ == lower::argument_mistake::none, types_by_role, Net, Loss, Schedule,
                                         Policies...>::type;
  using checks = std::conditional_t<mistake_ == lower::argument_mistake::none, typename base::checks, lower::nothing_given>;
};

}  // namespace foal::detail
