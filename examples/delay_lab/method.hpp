// The answers to delay that the laboratory compares, each by its parts.
#pragma once

#include <string>
#include <vector>

#include "any_optimizer.hpp"

namespace delay_lab {

/// What updates the matrices of hidden layers; the rest is AdamW's where it is none of these by itself.
enum class rule { momentum, adamw, nadam, nesterov, lion, adan, lamb, ema_nesterov, muon, rotated_one, rotated, soap };

/// The delay policy, in the order of delay_lab::answers (train.hpp).
enum class answer {
  nothing,
  t2,
  averaged_t2,
  ahead,
  ahead_t2,
  one_delta,
  velocity,
  difference,
  pipe_optim,
  spectrain,
  xpipe,
  scheduled,
  scheduled_adam,
  dc_asgd,
  adaptive_dc_asgd,
  gap_aware,
  spike,
  braking,
  staleness
};

enum class rate_by { itself, t1, delay };

struct method {
  char const* name;
  char const* what;
  delay_lab::rule rule = rule::momentum;
  delay_lab::answer answer = answer::nothing;
  rate_by by = rate_by::itself;
  bool stash = false;       ///< B reads what F has read
  bool matched = false;     ///< the momentum grows with the delay
  double horizon = 1;       ///< of predictions, in delays
  bool short_mean = false;  ///< of a look-ahead: along the last step alone
  double rest_power = 0;    ///< of the delay, by which Muon's rest is slowed
  double fade = 1;          ///< what that step keeps of itself at each update to come

  /// Without delay it is the plain method of its optimizer, to the same bits.
  std::string plain() const;
  /// The middle of the grid for a deep net.
  double usual_rate() const;
  /// Works with the delays of 1F1B on a rank for each stage alone.
  bool needs_1f1b() const { return answer == answer::spectrain || answer == answer::xpipe; }
};

/// In the order of the reports.
std::vector<method> const& methods();
/// Throws foal::error where there is none of that name.
method const& method_named(std::string const& name);

optimizers optimizers_of(method const& m);

}  // namespace delay_lab
