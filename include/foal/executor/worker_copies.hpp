// When a worker copies its stages' weights for an evaluation.
#pragma once

#include <foal/executor/worker_tied.hpp>

namespace foal::executor {

class worker_copies : public worker_tied {
 protected:
  worker_copies(phase_state& shared, schedule::program_view v, int number)
      : worker_tied(shared, v, number), copied_(shared) {}

  /// A stage without U whose statistics move is copied for evaluations by the F that is the last of a minibatch to run.
  bool copies_after(bound_stage const& b, position p) const {
    return b.copied_by_forward && p.global % copied_.microbatches == b.facts.last_forward;
  }
  bool copies_after_update(worker_op const& e) const { return e.last && copied_.evaluate_every != 0; }
  long long minibatches_at(position p) const { return p.global / copied_.microbatches + 1; }
  bool evaluated_after(long long minibatches) const {
    return copied_.evaluate_every != 0 && (minibatches - copied_.evaluate_from) % copied_.evaluate_every == 0;
  }
  /// A copy is due after so many minibatches, and that of the evaluation before is still being read.
  bool copy_pending(bound_stage const& b, long long minibatches) const {
    return evaluated_after(minibatches) && b.replica == 0 && copied_.evaluations_done->load() < b.evaluations_copied;
  }
  void copy_for_evaluation(bound_stage& b, long long minibatches) {
    if (!evaluated_after(minibatches) || b.replica != 0) return;  // the other replicas have the same weights
    copied_.copy_for_evaluation(copied_.evaluation_self, b, minibatches);
    ++b.evaluations_copied;
    copied_.copies_made->fetch_add(1);
  }

 private:
  phase_state& copied_;
};

}  // namespace foal::executor
