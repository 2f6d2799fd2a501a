// A callback of evaluations that ends a fit whose loss no longer falls.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include <foal/trainer/run_request.hpp>

namespace foal {

/// Ends the training when more than `patience` evaluations in a row were none below (1 - threshold) times the best loss:
/// .hooks = {.evaluated = foal::early_stopping{.patience = 5}}. The pipeline works on until it has answered, as far as
/// executor::evaluated_callback says. A loss that is not a number is none below. A fit that goes on from a checkpoint has
/// counted what came before.
struct early_stopping {
  int patience = 10;
  double threshold = 1e-4;
  double best = std::numeric_limits<double>::infinity();  ///< so far
  int worse = 0;                                          ///< evaluations since then

  executor::training operator()(executor::evaluation_result const& r) {
    if (r.loss < best - threshold * std::abs(best) || (std::isinf(best) && r.loss < best)) {
      best = r.loss;
      worse = 0;
    } else {
      ++worse;
    }
    return worse > patience ? executor::training::ends : executor::training::goes_on;
  }
  void resume(std::vector<executor::evaluation_result> const& before) {
    best = std::numeric_limits<double>::infinity();
    worse = 0;
    for (executor::evaluation_result const& r : before) (*this)(r);
  }
};

}  // namespace foal
