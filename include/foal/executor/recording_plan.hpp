// What recording a phase will take, known before it runs.
#pragma once

#include <string>
#include <vector>

#include <foal/executor/memory.hpp>
#include <foal/executor/period_places.hpp>
#include <foal/executor/recording_rule.hpp>

namespace foal::executor {

struct recording_plan {
  long long recordings = 1;
  std::size_t bytes = 0;  ///< of places, of the device and of pinned memory each
  std::string why{};      ///< it is not recorded; empty: it is
};

/// Of a phase of a run that has no other reason against it. Needs no phase at work: its units are bound to this one.
inline recording_plan plan_recording(table::run_tables const& t, table::run_values const& v, run_memory& memory,
                                     table::phase_table const& phase) {
  recording_plan plan;
  memory.enter_phase(phase);
  plan.recordings = recordings_of(memory.stages());
  if (plan.recordings > most_recordings) {
    plan.why = sentence("its addresses come again after ", plan.recordings, " periods, and at most ", most_recordings,
                        " are recorded; another number of microbatches may make them fewer");
    return plan;
  }
  schedule::program program = phase.program;
  schedule::program_view const view = program.view();
  stage_ops const ops(t, v, {}, memory.host_targets());
  phase_state shared(view);
  shared.tables = &t;
  shared.ops = &ops;
  shared.serve(memory, false);
  std::vector<int> ranks;
  for (int r = 0; r < view.size.ranks; ++r) ranks.push_back(r);
  std::vector<worker_op> const body = ops_of(shared, view, ranks);
  plan.bytes = places_of(shared, body).bytes;
  return plan;
}

}  // namespace foal::executor
