// The roles of a trainer's policies, each declared once: its name, what a policy of it must have, what acts where none is
// given, and its member of a trainer's config. Look-up, checks, config, facts and fingerprint follow from this file.
#pragma once

#include <cstdint>
#include <type_traits>

#include <foal/core/recording.hpp>
#include <foal/core/role.hpp>
#include <foal/device/default.hpp>
#include <foal/executor/drive.hpp>
#include <foal/layer/initialise.hpp>
#include <foal/lower/checks.hpp>
#include <foal/lower/codec.hpp>
#include <foal/lower/device.hpp>
#include <foal/lower/hook.hpp>
#include <foal/lower/wait.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/policy/replica/concept.hpp>
#include <foal/policy/storage.hpp>
#include <foal/policy/versions.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/policy/wire.hpp>
#include <foal/table/run_values.hpp>

namespace foal::detail {

/// Whether the facts tell what has a role: always, where it is not the default, or elsewhere.
enum class told { always, if_given, elsewhere };

/// One role. In each specialisation, for a trainer's types T (trainer/types.hpp):
///   name             in facts and fingerprints
///   otherwise<T>     the policy where none is given
///   sound<P, T>      a struct whose static_asserts say what P lacks (lower/checks.hpp)
///   in(config)       the policy's value; absent: its policies have no numbers
///   makes_bits       what is trained depends on it, so fingerprints have it
template <class Role>
struct role_row;

// The defaults of a row.
template <class Role, class Otherwise, told Told = told::if_given>
struct row {
  static constexpr told facts = Told;
  static constexpr bool makes_bits = true;
  template <class>
  using otherwise = Otherwise;
  template <class, class>
  using sound = lower::nothing_to_check<Role>;
};

template <>
struct role_row<role::optimizer> : row<role::optimizer, optim::sgd, told::always> {
  static constexpr char const* name = "optimizer";
  template <class P, class T>
  using sound = lower::is_an_optimizer<P, typename T::scalar_type, typename T::device_type>;
  static constexpr auto& in(auto& config) { return config.optim; }
};
template <>
struct role_row<role::learning_rate> : row<role::learning_rate, lr::constant, told::always> {
  static constexpr char const* name = "learning rate";
  template <class P, class>
  using sound = lower::is_a_learning_rate<P>;
  static constexpr auto& in(auto& config) { return config.lr; }
};
template <>
struct role_row<role::delay> : row<role::delay, delay::none, told::always> {
  static constexpr char const* name = "delay";
  template <class P, class T>
  using sound = lower::is_a_delay_policy<P, typename T::scalar_type>;
  static constexpr auto& in(auto& config) { return config.delay; }
};
template <>
struct role_row<role::versions> : row<role::versions, void, told::always> {
  static constexpr char const* name = "versions";
  template <class T>
  using otherwise = std::conditional_t<T::schedule_type::asynchronous, versions::live, versions::flush>;
  template <class P, class>
  using sound = lower::is_a_versions_rule<P>;
  static constexpr auto& in(auto& config) { return config.versions; }
};
template <>
struct role_row<role::accumulation> : row<role::accumulation, accumulate::each> {
  static constexpr char const* name = "accumulation";
  template <class P, class>
  using sound = lower::is_an_accumulation<P>;
};
template <>
struct role_row<role::storage> : row<role::storage, storage::exact> {
  static constexpr char const* name = "storage of activations";
  template <class P, class T>
  using sound = lower::stores_activations<P, typename T::scalar_type, typename T::device_type>;
  static constexpr auto& in(auto& config) { return config.storage; }
};
template <>
struct role_row<role::wire> : row<role::wire, wire::exact> {
  static constexpr char const* name = "wires";
  template <class P, class T>
  using sound = lower::sends_activations<P, typename T::scalar_type, typename T::device_type>;
  static constexpr auto& in(auto& config) { return config.wire; }
};
template <>
struct role_row<role::warmup> : row<role::warmup, warmup::none> {
  static constexpr char const* name = "warm-up";
  template <class P, class>
  using sound = lower::is_a_warmup<P>;
  static constexpr auto& in(auto& config) { return config.warmup; }
};
template <>
struct role_row<role::clip> : row<role::clip, clip::none> {
  static constexpr char const* name = "clipping";
  template <class P, class>
  using sound = lower::clips<P>;
  static constexpr auto& in(auto& config) { return config.clip; }
};
template <>
struct role_row<role::initialisation> : row<role::initialisation, initialisation::declared> {
  static constexpr char const* name = "initialisation";
  static constexpr auto& in(auto& config) { return config.initial; }
};
template <>
struct role_row<role::hook> : row<role::hook, lower::no_hook, told::elsewhere> {
  static constexpr char const* name = "hook";
  static constexpr bool makes_bits = false;
  template <class P, class T>
  using sound = lower::is_a_hook<P, typename T::scalar_type, typename T::device_type,
                                 lower::detail::uses_host_memory<typename T::device_type>()>;
  static constexpr auto& in(auto& config) { return config.hook; }
};
template <>
struct role_row<role::replica> : row<role::replica, replica::summed> {
  static constexpr char const* name = "exchange of replicas";
  template <class P, class>
  using sound = lower::joins_replicas<P>;
  static constexpr auto& in(auto& config) { return config.replica; }
};
template <>
struct role_row<role::executor> : row<role::executor, executor::threads> {
  static constexpr char const* name = "executor";
  static constexpr bool makes_bits = false;
};
template <>
struct role_row<role::device> : row<role::device, on<device::host>, told::elsewhere> {
  static constexpr char const* name = "device";
};
template <>
struct role_row<role::scalar> : row<role::scalar, scalar<float>, told::elsewhere> {
  static constexpr char const* name = "scalar";
};

using all_roles = type_list<role::optimizer, role::learning_rate, role::delay, role::versions, role::accumulation,
                            role::storage, role::wire, role::warmup, role::clip, role::initialisation, role::hook,
                            role::replica, role::executor, role::device, role::scalar>;

template <class Role>
constexpr bool is_known = requires { role_row<Role>::name; };

/// Numbers of a run: one member per role that has some.
template <class T>
struct trainer_config {
  template <class Role>
  using of = typename T::template policy<Role>;

  int microbatch_size = 8;  ///< M, samples
  int microbatches = 4;     ///< N, per minibatch, over all replicas
  int workers = 1;          ///< 1 to all ranks, which are ranks * replicas
  int ranks = 0;            ///< R, of one pipeline; 0: one per stage
  /// D pipelines side by side, each with N / D microbatches of every minibatch, whose gradients are summed before every U
  /// (schedule::with_replicas).
  int replicas = 1;
  std::uint64_t seed = 1;
  of<role::optimizer> optim{};
  of<role::learning_rate> lr{};
  of<role::delay> delay{};
  of<role::versions> versions{};
  of<role::warmup> warmup{};
  of<role::clip> clip{};
  of<role::replica> replica{};
  of<role::storage> storage{};
  of<role::wire> wire{};
  typename T::loss_type loss{};
  typename T::schedule_type schedule{};
  of<role::initialisation> initial{};
  of<role::hook> hook{};  ///< after_update(update_view) of every stage's every update, on the stage's worker
  /// Plan the copies of weights that evaluations need; a device that computes nothing has nothing to evaluate.
  bool evaluation = !lower::waits<typename T::device_type>;
  int evaluation_samples = 64;              ///< of one evaluation batch
  bool pin = false;                         ///< worker i to CPU i
  table::diagnostics_values diagnostics{};  ///< what delay does, measured every n-th update
  /// Of each rank, which of several devices it is on; empty: a worker's is its number among all workers modulo theirs.
  std::vector<int> ordinals{};
  recording record = recording::never;  ///< periods of a device that records (plan/not_recorded.hpp says which)
  typename lower::device_values<typename T::device_type>::type device{};
};

/// The value of a role's policy in a config.
template <class T, class Role, class Config>
auto const& value_of(Config const& config) {
  if constexpr (requires { role_row<Role>::in(config); }) {
    return role_row<Role>::in(config);
  } else {
    static typename T::template policy<Role> const without_numbers{};
    return without_numbers;
  }
}

}  // namespace foal::detail

namespace foal {

/// A trainer's policy of a role: policy_of<decltype(t), foal::role::delay>.
template <class Trainer, class Role>
using policy_of = typename Trainer::template policy<Role>;

}  // namespace foal
