// What a fit has told: epochs and evaluations, for one that goes on from a checkpoint.
#pragma once

#include <vector>

#include <foal/layer/loss/result.hpp>
#include <foal/observe/evaluation.hpp>

namespace foal {

/// What a fit had told before its run was cut.
struct fit_history {
  std::vector<loss::loss_result> epochs{};  ///< sums of the epochs that are complete
  std::vector<executor::evaluation_result> evaluations{};
  double seconds = 0;
  bool ended = false;  ///< by a callback
};

}  // namespace foal
