// What delay did to one stage at one update: a row of the diagnostics, and which of them a run takes.
#pragma once

#include <limits>

#include <foal/report/json.hpp>

namespace foal::table {

/// Means over the microbatches of the minibatch that the update consumed, with w_F, w_B the weights that were live when F
/// and B began, and u the weights that B read (w_B, or what a delay policy or a stash put in their place). Not a number:
/// undefined.
struct diagnostic {
  long long update = 0;  ///< the stage's own count, this one included
  int stage = 0;
  double rate = 0;
  double lag = 0;          ///< v_B - v_F as it occurred, in updates
  double discrepancy = 0;  ///< |w_B - w_F| / |w_B|, all parameters of the stage
  /// cosine(u - w_B, w_F - w_B) over the parameters that B reads: 1 where the delay policy points at what F read. Undefined
  /// where B reads the live weights or F read the same.
  double prediction = std::numeric_limits<double>::quiet_NaN();
  /// cosine of the gradient that arrived with that of the same samples with all stages at the version before this update.
  double fresh = std::numeric_limits<double>::quiet_NaN();
  double update_norm = 0;  ///< |w_new - w_old| / |w_old|

  void write(report::json_writer& json) const {
    json.begin_object().key("update").value(update).key("stage").value(stage).key("rate").value(rate);
    json.key("lag").value(lag).key("discrepancy").value(discrepancy).key("prediction").value(prediction);
    json.key("fresh").value(fresh).key("update_norm").value(update_norm).end_object();
  }
};

/// Diagnostics of a run; none by default.
struct diagnostics_values {
  int every = 0;       ///< updates; 0: none
  bool fresh = false;  ///< also the gradient without delay: one more forward and backward of each sampled minibatch
};

}  // namespace foal::table
