// Whether the numbers of a run can work; a sentence where they cannot.
#pragma once

#include <vector>

#include <foal/core/error.hpp>
#include <foal/table/run_values.hpp>

namespace foal::executor {

/// most_ranks: that the schedule takes of so many stages. threaded: the executor has more than one worker. replicas: of the
/// whole pipeline, each of so many ranks.
inline void check_values(table::run_values const& v, int stages, int ranks, int most_ranks, bool threaded,
                         int replicas = 1) {
  constexpr int most = 1 << 20;
  require(v.microbatch_size >= 1 && v.microbatch_size <= most && v.microbatches >= 1 && v.microbatches <= most,
          "cannot make a run of ", v.microbatches, " microbatches of ", v.microbatch_size,
          " samples, because both numbers must be 1 to ", most, "; change .microbatches or .microbatch_size");
  require(ranks >= 1 && ranks <= most_ranks, "cannot spread ", stages, " stages over ", ranks,
          " ranks, because every rank hosts at least one stage and this schedule takes at most ", most_ranks,
          "; give .ranks of 1 to that, or 0 for the most");
  require(replicas >= 1 && v.microbatches % replicas == 0, "cannot share ", v.microbatches,
          " microbatches of a minibatch among ", replicas,
          " replicas, because each has as many of them as the others, and one at least; give .microbatches that are a "
          "multiple of .replicas");
  require(v.workers >= 1 && v.workers <= ranks * replicas, "cannot run on ", v.workers, " workers, because there are ",
          ranks * replicas, " ranks and each worker hosts at least one; give .workers of 1 to ", ranks * replicas);
  require(threaded || v.workers == 1, "cannot run on ", v.workers,
          " workers, because foal::executor::single_thread has 1; use foal::executor::threads, or .workers = 1");
  require(!v.evaluation || (v.evaluation_samples >= 1 && v.evaluation_samples <= most), "cannot evaluate ",
          v.evaluation_samples, " samples at a time; give .evaluation_samples of 1 to ", most, ", or .evaluation = false");
}

}  // namespace foal::executor
