// Which runs have periods that can be recorded.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <foal/table/run_values.hpp>
#include <foal/table/runnable.hpp>

namespace foal::executor {

/// Why a run has no periods that are recorded; empty: it has. whole: no other process has stages of it.
inline std::string not_recorded(table::run_tables const& t, table::run_values const& v, bool whole) {
  table::policy_functions const& p = t.policies;
  if (t.device.begin_recording == nullptr) return "its device does not record";
  if (v.workers != 1) return sentence("it has ", v.workers, " workers, and one thread calls all that is recorded together");
  if (!whole) return "other processes have stages of it, and no recording holds messages from them";
  if (t.phases.back().inference) return "nothing is trained in it";
  if (t.replicas > 1) return "it has replicas, which wait for each other's sums";
  if (schedule::program main = t.phases.back().program; !main.view().offloads.empty())
    return "stages offload what they save, by copies in a queue of their own";
  if (t.segments > 1) return "its sequences come in segments, whose addresses and bounds are part of what is recorded";
  if (t.clip.scale != nullptr) return "its gradients are clipped by a norm, which the host reads within the period";
  if (t.thick) return "its weight gradients are computed once a minibatch, with the samples of several ops in one";
  if (t.loss.apply_later == nullptr) return "its loss gives its sums at once";
  if (p.sums != nullptr) return "its delay policy adds up over parameters, and the host reads the sums within the period";
  if (p.microbatch_gradient != nullptr)
    return "its delay policy changes the gradient of each microbatch, with numbers beside those of B";
  if (std::any_of(p.optimizer, p.optimizer + p.optimizers, [](auto const& o) { return o.numbers.write == nullptr; }))
    return "its optimizer takes parameters as a whole, and the host looks at their gradients";
  if (std::any_of(p.optimizer, p.optimizer + p.optimizers, [](auto const& o) { return o.bound == nullptr; }))
    return "its optimizer or delay policy tells no bounds, and U looks at the gradient before it writes";
  for (table::stage_table const& s : t.stages)
    if (std::any_of(s.layers.begin(), s.layers.end(), [](auto const& l) { return l.buffers > 0 && !l.call.looks_late; }))
      return "a layer looks at the statistics that it moves, within the period";
  for (table::stage_table const& s : t.stages)
    for (table::layer_row const& l : s.layers)
      if (l.call.draws_itself)
        return sentence("layer ", l.number, " (", l.name,
                        ") draws by itself, with numbers of samples that a recording would repeat");
  if (t.hook.after_update != nullptr) return "its hook looks at every update";
  if (v.diagnostics.every != 0) return "its diagnostics look at weights within the period";
  if (table::most_updates(t) > 1)
    return "a stage has several updates in a minibatch, and the bound of each is read before the next";
  return {};
}
/// Whether periods are to be recorded, and may be. worker_of: of each rank, below 0 for those of other processes.
inline bool may_record(table::run_tables const& t, table::run_values const& v, std::vector<int> const& worker_of) {
  bool const whole = std::all_of(worker_of.begin(), worker_of.end(), [](int w) { return w >= 0; });
  return v.record != recording::never && not_recorded(t, v, whole).empty();
}

}  // namespace foal::executor
