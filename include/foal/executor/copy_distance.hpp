// How far the stages of a program are apart: where their weights are copied, and where a run can be cut.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include <foal/executor/op_order.hpp>
#include <foal/schedule/shares.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::executor {

/// In minibatches of one program.
struct copy_distance {
  /// Copies closer together than so many updates cannot be made with one place for each stage's: all stages must have made
  /// copy k before one of them can make k + 1.
  long long least = 1;
  /// So many minibatches after update k may have entered the first stage before every stage has had that update.
  long long after = 0;
};

/// A stage without U whose statistics move with every F.
inline bool copied_by_forward(table::run_tables const& t, schedule::program_view view, int stage) {
  return view.wanted(stage) != schedule::gradients::both && t.stages[static_cast<std::size_t>(stage)].buffer_elements > 0;
}

namespace detail {

/// Whether an op copies its stage, at this position in its minibatch.
template <class CopiedByForward>
bool copies(schedule::op const& o, int position, schedule::shares const& shares, CopiedByForward copied_by_forward) {
  return (o.kind == schedule::op_kind::U && shares.ends_minibatch(o)) ||
         (o.kind == schedule::op_kind::F && copied_by_forward(o.stage, position));
}

}  // namespace detail

/// copied_by_forward(stage, position): it has no U, but is copied by F of that microbatch of a minibatch.
template <class CopiedByForward>
copy_distance distance_of_copies(schedule::program_view view, CopiedByForward copied_by_forward) {
  int const n = view.size.microbatches;
  schedule::shares const shares(view);
  int first = std::numeric_limits<int>::max(), last = std::numeric_limits<int>::min(), enters = first;
  for (schedule::op const& o : view.ops) {
    int const minibatch = schedule::floor_div(o.microbatch, n);
    int const slot = o.slot - view.period * minibatch;
    if (o.kind == schedule::op_kind::F && o.stage == 0) enters = std::min(enters, slot);
    if (!detail::copies(o, o.microbatch - minibatch * n, shares, copied_by_forward)) continue;
    first = std::min(first, slot);
    last = std::max(last, slot);
  }
  if (last < first) return {};  // nothing changes
  return {(last - first) / view.period + 1, std::max(0, schedule::floor_div(last - enters, view.period))};
}

/// Key of the last op that copies a stage after a phase's first minibatch, and a period later that of each further one;
/// nothing: none does.
template <class CopiedByForward>
std::optional<long long> last_copy_key(schedule::program_view view, CopiedByForward copied_by_forward) {
  int const n = view.size.microbatches;
  schedule::shares const shares(view);
  op_order const order(view);
  std::optional<long long> last;
  for (int r = 0; r < view.size.ranks; ++r)
    for (schedule::op const& o : view.rank(r))
      if (int const minibatch = schedule::floor_div(o.microbatch, n);
          detail::copies(o, o.microbatch - minibatch * n, shares, copied_by_forward)) {
        long long const key = order.key(-minibatch, o, r);
        last = std::max(last.value_or(key), key);
      }
  return last;
}

/// How many passes of a minibatch (microbatches, times segments) run through each replica.
inline std::vector<int> shares_of(table::run_tables const& t) {
  std::vector<int> all;
  for (std::size_t u = 0; u < t.units(); u += t.stages.size()) all.push_back(t.phases.back().facts.stage[u].share);
  return all;
}

/// Losses come in the order of their microbatches, whatever the number of workers.
inline bool losses_in_order(table::run_tables const& t) {
  bool all = t.replicas == 1;
  for (table::phase_table const& phase : t.phases) {
    schedule::program program = phase.program;
    int before = 0;
    bool first = true;
    for (schedule::op const& o : program.view().ops) {
      if (o.kind != schedule::op_kind::F || o.stage + 1 != static_cast<int>(t.stages.size())) continue;
      int const pass = o.microbatch * t.segments + o.segment;
      all = all && (first || pass == before + 1);
      before = pass;
      first = false;
    }
  }
  return all;
}

/// When a worker is in period p of the last program, no minibatch from p + this on has been begun, whatever the number of
/// workers: each stage is ahead of the next one by at most the slots of the wire between them, and one that a wire between
/// workers has to spare. Of replicas one may be ahead of another by what lies between two of its updates.
inline long long most_begun(table::run_tables const& t, schedule::program_view view) {
  int const n = view.size.microbatches, least = std::ranges::min(shares_of(t));
  long long slots = 0, early = 0, late = 0, most_slots = 0;
  for (std::size_t s = 1; s < t.units(); ++s) {
    if (t.is_first(s)) slots = 0;
    int most = 0;
    for (table::phase_table const& phase : t.phases) {
      schedule::stage_facts const& f = phase.facts.stage[s];
      most = std::max({most, f.wire_transit, f.wire_kept, f.wire_recompute});
    }
    slots += most + 1 + (t.thick ? n * t.segments - 1 : 0);
    most_slots = std::max(most_slots, slots);
  }
  for (schedule::op const& o : view.ops) {
    long long const period = schedule::floor_div(o.microbatch, n);
    early = std::max(early, period);
    late = std::max(late, -period);
  }
  return 1 + early + (most_slots + least - 1) / least + (t.replicas > 1 ? 2 + early + late : 0);
}

}  // namespace foal::executor
