// Whether the numbers of a run can work; a sentence where they cannot.
#pragma once

#include <vector>

#include <foal/core/error.hpp>
#include <foal/table/run_values.hpp>

namespace foal::executor {

/// most_ranks: that the schedule takes of so many stages. threaded: the executor has more than one worker.
inline void check_values(table::run_values const& v, int stages, int ranks, int most_ranks, bool threaded) {
  constexpr int most = 1 << 20;
  require(v.microbatch_size >= 1 && v.microbatch_size <= most && v.microbatches >= 1 && v.microbatches <= most,
          "cannot make a run of ", v.microbatches, " microbatches of ", v.microbatch_size,
          " samples, because both numbers must be 1 to ", most, "; change .microbatches or .microbatch_size");
  require(ranks >= 1 && ranks <= most_ranks, "cannot spread ", stages, " stages over ", ranks,
          " ranks, because every rank hosts at least one stage and this schedule takes at most ", most_ranks,
          "; give .ranks of 1 to that, or 0 for the most");
  require(v.workers >= 1 && v.workers <= ranks, "cannot run on ", v.workers, " workers, because there are ", ranks,
          " ranks and each worker hosts at least one; give .workers of 1 to ", ranks);
  require(threaded || v.workers == 1, "cannot run on ", v.workers,
          " workers, because foal::executor::single_thread has 1; use foal::executor::threads, or .workers = 1");
  require(!v.evaluation || (v.evaluation_samples >= 1 && v.evaluation_samples <= most), "cannot evaluate ",
          v.evaluation_samples, " samples at a time; give .evaluation_samples of 1 to ", most, ", or .evaluation = false");
}

/// A phase's program as far as executors can run it: a microbatch is in one piece, and a unit has one U in a period.
inline void check_program(table::phase_table const& phase) {
  schedule::program program = phase.program;
  schedule::program_view const view = program.view();
  require(view.size.segments == 1, "cannot run ", phase.name, " with microbatches in ", view.size.segments,
          " segments, because executors run one; draw, prove and analyse it, or give it one");
  std::vector<int> updates(static_cast<std::size_t>(units(view.size)), 0);
  for (schedule::op const& o : view.ops) {
    require((o.kind != schedule::op_kind::G || view.size.replicas > 1) && o.kind != schedule::op_kind::T, "cannot run ",
            phase.name, ", because it has ", schedule::name(o.kind), " of stage ", o.stage,
            ", and executors sum gradients between replicas alone; leave it out");
    int& of = updates[static_cast<std::size_t>(unit_of(view.size, o.stage, o.replica))];
    of += o.kind == schedule::op_kind::U ? 1 : 0;
    require(of <= 1, "cannot run ", phase.name, ", because stage ", o.stage,
            " has several updates in a period, and executors add up a whole minibatch for one; give it one");
  }
}

/// What replicas cannot do, and that every phase has the same ones with the same shares of a minibatch.
inline void check_replicas(table::run_tables const& t) {
  for (table::phase_table const& phase : t.phases) {
    require(phase.program.size().replicas == t.replicas && phase.facts.stage.size() == t.units(), "cannot run ", phase.name,
            " with ", phase.program.size().replicas, " replicas, because the run has ", t.replicas,
            "; give all phases as many");
    for (std::size_t u = 0; u < t.units(); ++u)
      require(phase.facts.stage[u].share == t.phases.back().facts.stage[u].share, "cannot run ", phase.name, ", because ",
              phase.facts.stage[u].share, " microbatches of a minibatch run through replica ", u / t.stages.size(), " and ",
              t.phases.back().facts.stage[u].share, " do in ", t.phases.back().name, "; give both the same");
  }
  for (std::size_t s = 0; s < t.stages.size() && t.replicas > 1; ++s)
    require(
        !t.stages[s].borrows() && t.stages[s].loans.empty(), "cannot train ", t.replicas,
        " replicas with tied weights of stage ", s,
        ", because a tied layer adds up its gradient at home, and replicas are summed stage by stage; do not tie, or use "
        "a schedule of 1 replica");
}

}  // namespace foal::executor
