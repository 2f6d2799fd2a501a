// The fingerprint of a trainer: model, schedule, policies with all their numbers, scalar, device, build.
#pragma once

#include <optional>
#include <string>

#include <foal/core/type_name.hpp>
#include <foal/executor/identity.hpp>
#include <foal/report/build.hpp>
#include <foal/report/description.hpp>
#include <foal/report/fingerprint.hpp>
#include <foal/table/run_tables.hpp>
#include <foal/trainer/cut.hpp>
#include <foal/trainer/data_items.hpp>
#include <foal/trainer/roles.hpp>
#include <foal/trainer/run_request.hpp>

namespace foal::detail {

/// A policy and its numbers as items: "optimizer", "optimizer.beta1" ...
template <class P>
void add_items(report::fingerprint& to, std::string const& role, P const& p) {
  report::description const d = report::describe(p);
  to.items.emplace_back(role, portable_type_name<P>());
  for (auto const& [number, value] : d.numbers) to.items.emplace_back(role + "." + number, value);
  for (std::string const& s : d.silent) to.unknown.push_back(role + (s.empty() ? "" : ".") + s);
}

template <class Types, class Role, class Config>
void add_role(report::fingerprint& to, Config const& values) {
  if constexpr (role_row<Role>::makes_bits) add_items(to, role_row<Role>::name, value_of<Types, Role>(values));
}

template <class Types, class Config, class... Roles>
void add_roles(report::fingerprint& to, Config const& values, type_list<Roles...>) {
  (add_role<Types, Roles>(to, values), ...);
}

/// Not in it: executor and workers, evaluations, hook, and what is measured beside the training.
template <class Types, class Config>
report::fingerprint fingerprint_of_trainer(table::run_tables const& tables, Config const& values) {
  report::fingerprint f = executor::model_and_sizes(tables, values);
  add_items(f, "schedule", values.schedule);
  f.unknown.clear();  // all that a schedule does is in its programs
  for (table::phase_table const& phase : tables.phases)
    f.items.emplace_back("program of " + phase.name, executor::digest_of(phase.program));
  add_items(f, "loss", values.loss);
  add_roles<Types>(f, values, all_roles{});
  add_items(f, "device's values", values.device);
  f.items.emplace_back("build", report::build_of_this_file());
  return f;
}

/// Of what several processes are about to do together: the trainer's, and what all of them must have in common besides, the
/// data among it.
template <class Config>
report::fingerprint fingerprint_of_call(char const* call, report::fingerprint trainer, table::run_tables const& tables,
                                        table::run_values const& run, Config& values, executor::run_request const& request,
                                        data_sizes const& data, long long updates) {
  report::fingerprint f{.items = {{"what comes next", call}}, .unknown = std::move(trainer.unknown)};
  f.items.insert(f.items.end(), trainer.items.begin(), trainer.items.end());
  f.items.emplace_back("workers", report::shortest(values.workers));
  f.items.emplace_back("updates before", report::shortest(updates));
  f.items.emplace_back("minibatches", report::shortest(request.minibatches));
  f.items.emplace_back("updates between evaluations", report::shortest(request.evaluate_every));
  f.items.emplace_back("samples to evaluate", report::shortest(request.evaluation.samples));
  f.items.emplace_back("stall_seconds", report::shortest(request.stall_seconds));
  f.items.emplace_back("evaluation_samples", report::shortest(run.evaluation_samples));
  if (request.pause) f.items.emplace_back("pause", sentence("phase ", request.pause->phase, ", key ", request.pause->key));
  for (auto const& [name, known] : state_of_policies(values)) f.items.emplace_back(name, known);
  if (request.source.self != nullptr) add_data_items(f, tables, run, request.source, data);
  return f;
}

}  // namespace foal::detail
