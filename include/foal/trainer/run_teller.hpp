// Tells the caller of a run how far it is, what its losses are, and what it waits for. Nothing of the run depends on it.
#pragma once

#include <foal/executor/ops.hpp>
#include <foal/executor/run_losses.hpp>
#include <foal/executor/stall_watch.hpp>
#include <foal/trainer/run_request.hpp>

namespace foal::executor {

/// Of one run, on its calling thread. Throws what the request's functions throw.
class run_teller {
 public:
  /// Keeps references.
  run_teller(run_request const& request, run_losses const& losses)
      : request_(request),
        losses_(losses),
        asked_(request.summed || request.tick || request.waits || request.pauses),
        stall_(request.patience) {}

  /// Whether anything is to be told in a run without evaluations.
  bool asked() const { return asked_; }
  void sums() {
    for (long long const n = request_.summed ? losses_.complete() : 0; told_ < n; ++told_)
      request_.summed(losses_.before() + told_, losses_.sum(told_));
  }
  /// After so many microbatches of the run.
  void progress(long long microbatches, stage_ops const& ops) {
    if (request_.tick) request_.tick(microbatches);
    if (!request_.waits) return;
    double const seconds = stall_.seconds(microbatches);
    if (seconds == 0) return;
    long long const awaited = ops.awaited();
    request_.waits(awaited >= 0 ? sentence("data of microbatch ", awaited) : sentence("microbatch ", microbatches), seconds);
  }
  void evaluation(long long update) {
    if (request_.waits) request_.waits(sentence("the evaluation of update ", update), 0);
  }
  void evaluated() { stall_.restart(); }

 private:
  run_request const& request_;
  run_losses const& losses_;
  bool const asked_;
  stall_watch stall_;
  long long told_ = 0;  ///< sums
};

}  // namespace foal::executor
