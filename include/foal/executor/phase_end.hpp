// How a phase has come to its end, over all of its workers.
#pragma once

#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include <foal/executor/worker.hpp>

namespace foal::executor {

/// Of several failures the first in the program's order counts, whatever happened first on the clock.
struct phase_end {
  static constexpr long long none = std::numeric_limits<long long>::max();

  long long failed_key = none;        ///< of the op that failed
  std::optional<divergence> failure;  ///< what it was, or
  std::exception_ptr exception;       ///< what it has thrown
  std::exception_ptr beside;          ///< what something beside the training has thrown: a callback, or
  long long beside_key = none;        ///< a worker, at this op
  bool through = true;                ///< all ops have been run
  long long updates = none;           ///< of the phase, as many as every stage has had
  bool common = false;                ///< of all processes

  /// Needs that the workers are at their end.
  void add(std::span<worker const> workers, std::vector<bound_stage> const& units) {
    for (worker const& w : workers) {
      through = through && w.through();
      if ((w.failure() || w.exception()) && w.failed_key() < failed_key) {
        failed_key = w.failed_key();
        failure = w.failure();
        exception = w.exception();
      }
      if (w.beside() && (beside == nullptr || w.beside_key() < beside_key)) {
        beside = w.beside();
        beside_key = w.beside_key();
      }
    }
    for (bound_stage const& b : units)
      if (b.worker >= 0 && b.versions.updates > 0 && !b.forward_only && !b.input_gradient_only)
        updates = std::min(updates, b.version / static_cast<long long>(b.versions.updates));
  }
};

}  // namespace foal::executor
