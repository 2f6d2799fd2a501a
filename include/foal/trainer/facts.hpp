// The facts of a trainer: those of its tables and memory, and the settings of its policies.
#pragma once

#include <string>

#include <foal/core/type_name.hpp>
#include <foal/lower/describe.hpp>
#include <foal/lower/wait.hpp>
#include <foal/lower/wire.hpp>
#include <foal/report/build.hpp>
#include <foal/trainer/run_facts.hpp>

namespace foal::detail {

/// Types: trainer_types; values: a trainer's config; warmup_minibatches: of T3, 0 without it.
template <class Types, class Config>
report::facts facts_of_trainer(table::run_tables const& tables, executor::engine const& engine, Config const& values,
                               long long warmup_minibatches) {
  report::facts f = executor::facts_of(tables, engine);
  f.device =
      std::string(type_name<typename Types::device_type>()) + ", " + std::string(type_name<typename Types::scalar_type>());
  f.build = report::build_of_this_file();
  f.machine = report::this_machine();
  f.settings = {{"loss", Types::loss_type::name},
                {"optimizer", lower::describe_policy(values.optim)},
                {"learning rate", lower::describe_policy(values.lr)},
                {"delay", lower::describe_policy(values.delay)},
                {"versions", Types::versions_type::name}};
  if constexpr (Types::accumulate_type::waits) f.settings.emplace_back("accumulation", Types::accumulate_type::name);
  if constexpr (lower::has_codec<typename Types::storage_type>) {
    f.settings.emplace_back("storage of activations", lower::describe_policy(values.storage));
    f.notes.push_back(lower::storage_note(tables, values.microbatch_size));
  }
  if constexpr (lower::has_codec<typename Types::wire_type>) {
    f.settings.emplace_back("wires", lower::describe_policy(values.wire));
    f.notes.push_back(lower::wire_note(tables, values.microbatch_size));
  }
  if constexpr (Types::warmup_type::synchronous_phase)
    f.settings.emplace_back("warm-up", lower::describe_policy(values.warmup));
  if constexpr (lower::waits<typename Types::device_type>)
    f.notes.push_back(lower::wait_note(values.device, tables.phases.back().program));
  if constexpr (Types::clip_type::clips) f.settings.emplace_back("clipping", lower::describe_policy(values.clip));
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
