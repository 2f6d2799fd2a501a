// Whether what one call of engine::run() is asked for can work; a sentence where it cannot.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include <foal/trainer/run_request.hpp>

namespace foal::executor {

/// Of a run that begins, of microbatches in so many segments.
inline void check_request(run_request const& request, table::run_values const& v, int segments) {
  // Rings count microbatches of one call, or their segments, modulo 2^32, and distances must stay below half of that.
  constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
  std::string const counted = segments > 1 ? sentence(" segments, ", segments, " of each") : " microbatches";
  require(request.minibatches >= 0 && request.minibatches <= most / v.microbatches / segments, "cannot train for ",
          request.minibatches, " minibatches of ", v.microbatches, " microbatches in one call, because it counts up to ",
          most, counted, "; ask for 0 or more, in several calls");
  require(request.stall_seconds >= 0 && request.stall_seconds <= 1e6, "cannot wait for ", request.stall_seconds,
          " seconds until a run stands still, because .stall_seconds is from 0, which is for ever, to 1000000; change it");
  require(
      request.evaluate_every == 0 || v.evaluation,
      "cannot evaluate during training, because the run was made with .evaluation = false and its memory plan has no room "
      "for copies of the weights; make it with .evaluation = true");
}

/// Updates between evaluations, and between diagnostics that compute fresh gradients (0: none): stages that are up to least
/// - 1 updates apart keep one copy of their weights for each.
inline void check_distances(long long evaluations, long long fresh, long long least, std::string const& schedule) {
  require(evaluations == 0 || evaluations >= least, "cannot evaluate every ", evaluations,
          " updates, because the stages of ", schedule, " are up to ", least - 1,
          " updates apart and keep one copy of their weights for evaluations; evaluate at most every ", least, " updates");
  require(fresh == 0 || fresh >= least, "cannot compute fresh gradients every ", fresh, " updates, because the stages of ",
          schedule, " are up to ", least - 1,
          " updates apart and keep one copy of their weights for it; take diagnostics at most every ", least, " updates");
}

/// Why a run that is asked for this has no periods that are recorded; empty: it may have.
inline std::string not_recorded(run_request const& request) {
  if (request.watch.after_update != nullptr || request.watch.versions != nullptr) return "somebody watches its ops";
  if (request.traces != nullptr || request.ranges.begin != nullptr) return "it is traced op by op";
  if (request.source.sample_lengths != nullptr)
    return "its microbatches are ragged, and the bounds of samples are part of what is recorded";
  return {};
}

/// Of a fit's hooks: what a fit decides itself is not asked for.
inline void check_hooks(run_request const& hooks) {
  bool const decided = hooks.minibatches != 0 || hooks.source.self != nullptr || hooks.evaluation.self != nullptr ||
                       hooks.evaluate_every != 0 || hooks.loss_every != 0 || hooks.pause.has_value() ||
                       hooks.pauses != nullptr || hooks.cuts || hooks.trained_before != 0;
  require(!decided,
          "cannot fit with these .hooks, because they give minibatches, a source, an evaluation, distances of these or of "
          "losses, or a pause, and a fit counts in epochs; leave these out, or call run()");
}

/// Of one that begins or goes on.
inline void check_losses(run_request const& request, bool in_order, bool resumes) {
  require(in_order || !request.every_loss || (!request.pause && !request.pauses && !resumes),
          "cannot give every loss of a run that is paused, because its microbatches do not come through in their order; ask "
          "for sums with .loss_every, or for no pause");
}

/// Of one that begins or goes on.
inline void check_traces(run_request const& request, table::run_values const& v) {
  require(request.traces == nullptr || request.traces->workers() >= v.workers, "cannot trace ", v.workers,
          " workers, because the trace has ", request.traces == nullptr ? 0 : request.traces->workers(),
          " buffers; make it with one for each");
}

/// Of one that goes on from a place.
inline void check_resumed(run_request const& request, table::run_values const& v, run_place at) {
  check_traces(request, v);
  if (!request.pause) return;
  run_place const& to = *request.pause;
  require(to.phase > at.phase || (to.phase == at.phase && to.key >= at.key), "cannot pause in phase ", to.phase, " at key ",
          to.key, ", because this run stands in phase ", at.phase, " at key ", at.key,
          " and does no op twice; give .pause a later place, or leave it out");
}

}  // namespace foal::executor
