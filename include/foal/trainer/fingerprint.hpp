// The fingerprint of a trainer: model, schedule, policies with all their numbers, scalar, device, build.
#pragma once

#include <string>

#include <foal/core/type_name.hpp>
#include <foal/report/build.hpp>
#include <foal/report/description.hpp>
#include <foal/report/fingerprint.hpp>
#include <foal/table/run_tables.hpp>
#include <foal/trainer/roles.hpp>

namespace foal::detail {

/// Stages with their layers, shapes and parameters.
inline std::string digest_of(std::vector<table::stage_table> const& stages) {
  report::digest d;
  auto const add = [&d](shape const& s) {
    d(s.rank);
    for (int const e : s.extent) d(e);
  };
  for (table::stage_table const& s : stages) {
    d(static_cast<long long>(s.layers.size()));
    for (table::layer_row const& l : s.layers) {
      d(l.name)(l.number);
      add(l.in);
      add(l.out);
    }
    for (table::parameter_row const& p : s.parameters) {
      d(p.name)(static_cast<int>(p.kind))(p.home_stage)(p.home);
      add(p.what.extent);
    }
  }
  return d.text();
}

inline std::string digest_of(schedule::program program) {
  schedule::program_view const v = program.view();
  report::digest d;
  d(v.asynchronous ? 1 : 0)(v.inference ? 1 : 0);
  for (int r = 0; r < v.size.ranks; ++r) {
    d(r);
    for (schedule::op const& o : v.rank(r)) d(schedule::name(o.kind))(o.stage)(o.microbatch)(o.replica)(o.segment);
  }
  for (int x : v.delays) d(x);
  for (int x : v.recompute) d(x);
  for (schedule::gradients x : v.wants) d(static_cast<int>(x));
  return d.text();
}

/// A policy and its numbers as items: "optimizer", "optimizer.beta1" ...
template <class P>
void add_items(report::fingerprint& to, std::string const& role, P const& p) {
  report::description const d = report::describe(p);
  to.items.emplace_back(role, type_name<P>());
  for (auto const& [number, value] : d.numbers) to.items.emplace_back(role + "." + number, value);
  for (std::string const& s : d.silent) to.items.emplace_back(role + (s.empty() ? "" : ".") + s + ".numbers", "not known");
}

template <class Types, class Config, class... Roles>
void add_roles(report::fingerprint& to, Config const& values, type_list<Roles...>) {
  (add_items(to, role_row<Roles>::name, value_of<Types, Roles>(values)), ...);
}

/// Not in it: the number of workers, of evaluations and diagnostics.
template <class Types, class Config>
report::fingerprint fingerprint_of_trainer(table::run_tables const& tables, Config const& values) {
  report::fingerprint f;
  f.items = {{"model", tables.model_name},
             {"model's layers", digest_of(tables.stages)},
             {"stages", report::shortest(tables.stages.size())},
             {"ranks", report::shortest(tables.ranks)},
             {"microbatches", report::shortest(values.microbatches)},
             {"microbatch_size", report::shortest(values.microbatch_size)},
             {"seed", report::shortest(values.seed)}};
  add_items(f, "schedule", values.schedule);
  for (table::phase_table const& phase : tables.phases)
    f.items.emplace_back("program of " + phase.name, digest_of(phase.program));
  add_items(f, "loss", values.loss);
  add_roles<Types>(f, values, all_roles{});
  add_items(f, "device's values", values.device);
  f.items.emplace_back("build", report::build_of_this_file());
  return f;
}

}  // namespace foal::detail
