// The facts of a trainer: those of its tables and memory, and the settings of its policies.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include <foal/core/type_name.hpp>
#include <foal/lower/wait.hpp>
#include <foal/lower/wire.hpp>
#include <foal/report/build.hpp>
#include <foal/report/description.hpp>
#include <foal/report/instructions.hpp>
#include <foal/trainer/roles.hpp>
#include <foal/trainer/run_facts.hpp>

namespace foal::detail {

template <class Types, class Role, class Config>
void add_setting(report::facts& f, Config const& values) {
  using row = role_row<Role>;
  constexpr bool given = !std::is_same_v<typename Types::template policy<Role>, typename row::template otherwise<Types>>;
  if constexpr (row::facts == told::always || (row::facts == told::if_given && given))
    f.settings.emplace_back(row::name, report::describe(value_of<Types, Role>(values)).text());
}
template <class Types, class Config, class... Roles>
void add_settings(report::facts& f, Config const& values, type_list<Roles...>) {
  (add_setting<Types, Roles>(f, values), ...);
}

/// Types: trainer_types; values: a trainer's config; warmup_minibatches: of T3, 0 without it.
template <class Types, class Config>
report::facts facts_of_trainer(table::run_tables const& tables, executor::engine const& engine, Config const& values,
                               long long warmup_minibatches) {
  report::facts f = executor::facts_of(tables, engine);
  f.device =
      std::string(type_name<typename Types::device_type>()) + ", " + std::string(type_name<typename Types::scalar_type>());
  f.build = report::build_of_this_file();
  f.machine = report::this_machine();
  f.settings = {{"loss", report::describe(values.loss).text()}};
  add_settings<Types>(f, values, all_roles{});
  if constexpr (lower::has_codec<typename Types::template policy<role::storage>>)
    f.notes.push_back(lower::storage_note(tables, values.microbatch_size));
  if constexpr (lower::has_codec<typename Types::template policy<role::wire>>)
    f.notes.push_back(lower::wire_note(tables, values.microbatch_size));
  if constexpr (lower::waits<typename Types::device_type>)
    f.notes.push_back(lower::wait_note(values.device, tables.phases.back().program));
  if constexpr (requires { Types::device_type::kernels_are_compiled_here; } && !lower::waits<typename Types::device_type>) {
    std::string warning =
        report::warning_of_instructions(report::instructions_of_this_file(), report::instructions_of_this_machine());
    if (!warning.empty()) f.warnings.push_back(std::move(warning));
  }
  if constexpr (requires {
                  values.lr.base.first_drop();
                  values.lr.steps;
                }) {
    long long const end = warmup_minibatches + values.lr.steps, drop = values.lr.base.first_drop();
    if (end < drop)
      f.warnings.push_back(sentence("T1 ends at update ", end, ", before the base rate first drops at update ", drop,
                                    ": if that rate is more than the full delay tolerates, T1 only postpones divergence"));
  }
  return f;
}

}  // namespace foal::detail
