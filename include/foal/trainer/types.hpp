// The types of a trainer: its model, loss and schedule, and the policy of each role, with the defaults.
#pragma once

#include <type_traits>

#include <foal/core/role.hpp>
#include <foal/device/default.hpp>
#include <foal/executor/drive.hpp>
#include <foal/layer/initialise.hpp>
#include <foal/lower/arguments.hpp>
#include <foal/lower/checks.hpp>
#include <foal/lower/device.hpp>
#include <foal/lower/hook.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/policy/storage.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/policy/wire.hpp>

namespace foal::detail {

template <class Net, class Loss, class Schedule, class... Policies>
struct types_by_role {
  using model_type = Net;
  using loss_type = Loss;
  using schedule_type = Schedule;
  using device_type = typename find_role<role::device, on<device::host>, Policies...>::type;
  using scalar_type = typename find_role<role::scalar, scalar<float>, Policies...>::type;
  using optim_type = find_role<role::optimizer, optim::sgd, Policies...>;
  using lr_type = find_role<role::learning_rate, lr::constant, Policies...>;
  using delay_type = find_role<role::delay, delay::none, Policies...>;
  using versions_type =
      find_role<role::versions, std::conditional_t<Schedule::asynchronous, versions::live, versions::flush>, Policies...>;
  using warmup_type = find_role<role::warmup, warmup::none, Policies...>;
  using clip_type = find_role<role::clip, clip::none, Policies...>;
  using initial_type = find_role<role::initialisation, initialisation::declared, Policies...>;
  using hook_type = find_role<role::hook, lower::no_hook, Policies...>;
  using accumulate_type = find_role<role::accumulation, accumulate::each, Policies...>;
  using storage_type = find_role<role::storage, storage::exact, Policies...>;
  using wire_type = find_role<role::wire, wire::exact, Policies...>;
  using executor_type = find_role<role::executor, executor::threads, Policies...>;
  using target_type = lower::detail::target_of<Loss, scalar_type>;

  struct checks : lower::policies_are_sound<Schedule, scalar_type, optim_type, lr_type, delay_type, versions_type,
                                            warmup_type, Policies...>,
                  lower::is_a_hook<hook_type, scalar_type, device_type, lower::detail::uses_host_memory<device_type>()> {};
};

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
