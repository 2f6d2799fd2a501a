// What a program may have and a run cannot do.
#pragma once

#include <string_view>

#include <foal/core/error.hpp>
#include <foal/schedule/shares.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::table {

/// Throws a sentence for a program that proofs and costs know and no run can do: with sums that no replica gives, with
/// replicas that have nothing to do or update several times in a minibatch. Needs a program that is well_formed(). name: the
/// schedule's.
inline void check_runnable(schedule::program_view v, std::string_view name) {
  using schedule::op_kind;
  std::vector<int> updates(static_cast<std::size_t>(units(v.size)), 0);
  for (schedule::op const& o : v.ops) {
    require((o.kind != op_kind::G || v.size.replicas > 1) && o.kind != op_kind::T, "cannot run ", name, ", because it has ",
            schedule::name(o.kind), " of stage ", o.stage,
            ", and a run sums gradients between replicas alone; leave it out");
    int& of = updates[static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica))];
    of += o.kind == op_kind::U ? 1 : 0;
    require(of <= 1 || v.size.replicas == 1, "cannot run ", name, " with ", v.size.replicas, " replicas, because stage ",
            o.stage, " has several updates in a minibatch of ", v.size.microbatches,
            " microbatches, and replicas are summed once; give it one, or use 1 replica");
  }
  if (v.size.replicas == 1) return;
  schedule::shares const shares(v);
  for (int r = 0; r < v.size.replicas; ++r)
    require(shares.of(r) > 0, "cannot run ", name, " with ", v.size.replicas, " replicas and ", v.size.microbatches,
            " microbatches in a minibatch, because none runs through replica ", r, "; use as many as there are replicas");
}

/// The most updates of a stage in a minibatch, in any phase.
inline int most_updates(run_tables const& t) {
  int updates = 1;
  for (phase_table const& phase : t.phases)
    for (int const of : phase.reads.updates) updates = of > updates ? of : updates;
  return updates;
}

/// The same of all phases, with what they must have in common and what a model's layers do not allow.
inline void check_runnable(run_tables const& t) {
  for (phase_table const& phase : t.phases) {
    schedule::program program = phase.program;
    check_runnable(program.view(), phase.name);
    require(phase.program.size().segments == t.segments, "cannot run ", phase.name, " with microbatches in ",
            phase.program.size().segments, " segments, because the run has them in ", t.segments,
            "; give all phases as many");
    require(phase.program.size().replicas == t.replicas && phase.facts.stage.size() == t.units(), "cannot run ", phase.name,
            " with ", phase.program.size().replicas, " replicas, because the run has ", t.replicas,
            "; give all phases as many");
    for (std::size_t u = 0; u < t.units(); ++u)
      require(phase.facts.stage[u].share == t.phases.back().facts.stage[u].share, "cannot run ", phase.name, ", because ",
              phase.facts.stage[u].share / t.segments, " microbatches of a minibatch run through replica ",
              u / t.stages.size(), " and ", t.phases.back().facts.stage[u].share / t.segments, " do in ",
              t.phases.back().name, "; give both the same");
  }
  int const updates = most_updates(t);
  require(updates == 1 || !t.thick, "cannot run ", t.phases.back().name, " with ", updates,
          " updates of a stage in a minibatch and accumulate::thick, because that takes the weight gradients of a minibatch "
          "at once; use accumulate::each");
  for (std::size_t s = 0; s < t.stages.size() && updates > 1; ++s)
    require(!t.stages[s].borrows() && t.stages[s].loans.empty(), "cannot train tied weights of stage ", s, " with ", updates,
            " updates of a stage in a minibatch, because a tied layer adds up its gradient at home, once a minibatch; do "
            "not tie, or use a schedule of 1 update");
}

}  // namespace foal::table
