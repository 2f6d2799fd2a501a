// Which runs have periods that can be recorded, and how many recordings that takes.
#pragma once

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/plan/recordable_slots.hpp>
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

/// Most recordings that a phase may take: each is a graph of all kernels of a period.
inline constexpr int most_recordings = 32;

/// After how many periods every address of the phase comes again, of units that are bound to it.
inline long long recordings_of(std::vector<bound_stage> const& units) {
  long long count = 1;
  auto const add = [&](ring const& r, int step) {
    if (r.base != nullptr && step > 0)
      count = std::lcm(count, static_cast<long long>(periods_of_ring(static_cast<int>(r.count), step)));
  };
  for (bound_stage const& b : units) {
    for (std::vector<ring> const* const all : {&b.tensors, &b.forward_tensors})
      for (ring const& r : *all) add(r, b.facts.share);
    add(b.history, b.versions.updates);
    for (lent_parameter const& q : b.lent) add(q.channel.versions, b.versions.updates), add(q.channel.gradients, 1);
  }
  return count;
}

}  // namespace foal::executor
