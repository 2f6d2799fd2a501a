// A trainer's run that is cut: the engine's cut, and what only the trainer knows of the run.
#pragma once

#include <foal/executor/cut.hpp>
#include <foal/policy/state.hpp>
#include <foal/trainer/roles.hpp>

namespace foal {

/// What another trainer of the same type and numbers needs to go on to the same bits (trainer::restore()): for any number of
/// workers, and any executor.
struct trainer_cut {
  report::fingerprint of{};  ///< trainer::fingerprint()
  executor::run_cut run{};
  policy_state policies{};  ///< what they have come to know
  long long epochs = 0;     ///< that fits have begun before
};

namespace detail {

/// Calls f(name, policy) for every role whose policy has a member of the config, and makes bits.
template <class Config, class F, class... Roles>
void for_each_policy(Config& values, F const& f, type_list<Roles...>) {
  auto const one = [&](auto row) {
    if constexpr (decltype(row)::makes_bits && requires { decltype(row)::in(values); })
      f(decltype(row)::name, decltype(row)::in(values));
  };
  (one(role_row<Roles>{}), ...);
}

template <class Config>
policy_state state_of_policies(Config& values) {
  policy_state all;
  for_each_policy(
      values, [&all](char const* name, auto& p) { save_state(all, name, p); }, all_roles{});
  return all;
}

/// Throws foal::error where `from` is that of other policies. changes: false only looks whether it is.
template <class Config>
void restore_policies(Config& values, policy_state const& from, bool changes) {
  std::size_t at = 0;
  auto const load = [&](char const* name, auto& p) {
    if constexpr (has_state<std::remove_cvref_t<decltype(p)>>) {
      auto known = p;
      load_state(from, at, name, known);
      if (changes) p = known;
    }
  };
  for_each_policy(values, load, all_roles{});
  require(at == from.size(), "cannot go on from this cut, because it has '", at < from.size() ? from[at].first : "",
          "', which no policy knows; copy the cut whole");
}

}  // namespace detail

}  // namespace foal
