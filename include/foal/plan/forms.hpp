// Which forms of its parameters a stage needs in a run.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include <foal/table/form.hpp>
#include <foal/table/run_tables.hpp>
#include <foal/tensor/plan.hpp>

namespace foal::executor {

/// The delay policy changes something at a stage: where it reads other weights in B than in F, or anywhere if it acts
/// without a lag.
inline bool delay_acts(table::run_tables const& t, std::size_t s) {
  table::phase_table const& last = t.phases.back();
  schedule::stage_facts const& f = last.facts.stage[s];
  bool const lags = f.tau_fwd > f.tau_bkwd;
  return lags || (t.compensates && !t.policies.delay_needs_lag);
}

/// The form that the device keeps of a stage's weights: where nobody but its own U writes them.
inline table::form device_form(table::run_tables const& t, std::size_t s) {
  table::form f{table::form::kind::device, table::form::derived::by_update, t.device.form_type, false, 0};
  if (t.device.keep_forms == nullptr || t.replicas > 1) return f;
  long long elements = 0;
  for (table::parameter_row const& p : t.stages[s].parameters) {
    if (p.kind != table::ownership::trained || p.home_stage >= 0) return f;
    elements += t.device.form_elements(p.what.extent);
  }
  f.elements = elements;
  return f;
}

/// Its room, where there is one.
inline std::optional<std::size_t> plan_device_form(table::run_tables const& t, memory_plan& plan, std::size_t s,
                                                   int worker) {
  table::form const f = device_form(t, s);
  if (f.elements == 0) return {};
  return plan.add(name(f.what), category::forms, worker, static_cast<int>(s), f.bytes(), f.type);
}

/// The forms that ops of a stage read in place of its weights.
inline std::vector<table::form> forms_of(table::run_tables const& t, std::size_t s) {
  using table::form;
  std::vector<form> all;
  table::stage_table const& stage = t.stages[s];
  if (!delay_acts(t, s) || t.phases.back().reads.one_version) return all;
  all.reserve(2);
  bool const corrects = t.policies.backward_weight != nullptr;
  bool const recomputed = t.phases.back().facts.stage[s].head >= 0;  // R reads every parameter, corrected
  constexpr auto before = form::derived::before_use;
  if (corrects) all.push_back({form::kind::extrapolated, before, t.types.weights, true, stage.backward_elements});
  if (t.policies.forward_weight != nullptr || (recomputed && corrects))
    all.push_back({form::kind::predicted, before, t.types.weights, false, stage.weight_elements});
  return all;
}

}  // namespace foal::executor
