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
  std::string name;
  std::string what;
  delay_lab::rule rule = rule::momentum;
  delay_lab::answer answer = answer::nothing;
  rate_by by = rate_by::itself;
  bool stash = false;       ///< B reads what F has read
  bool matched = false;     ///< the momentum grows with the delay
  double horizon = 1;       ///< of predictions, in delays
  bool short_mean = false;  ///< of a look-ahead: along the last step alone
  double rest_power = 0;    ///< of the delay, by which Muon's rest is slowed
  double fade = 1;          ///< what that step keeps of itself at each update to come
  double momentum = 0.95;   ///< Muon's
  double synchronous = 0;   ///< share of the run that begins it without delay: T3
  double rise = 0.05;       ///< share of the run in which the rate rises
  double window = 0.1;      ///< share of the run so far whose mean may be read out
  double slow = 0;          ///< power of the delay by which Muon's matrices are slowed
  double match = 0;         ///< of their momentum: means of so many delays where that is longer
  double beta1 = 0.9;       ///< Adam's, of Muon's rest

  /// Without delay it is the plain method of its optimizer, to the same bits: with its numbers that count there, too.
  std::string plain() const;
  /// Whether the number of that name means something to it.
  bool reads(std::string const& number) const;
  /// The middle of the grid for a deep net.
  double usual_rate() const;
  /// Works with the delays of 1F1B on a rank for each stage alone.
  bool needs_1f1b() const { return answer == answer::spectrain || answer == answer::xpipe; }
};

/// In the order of the reports.
std::vector<method> const& methods();
/// The numbers of a method by the names that a variant gives them, f(name, member, least, most).
template <class F>
void for_each_number(F&& f) {
  f("horizon", &method::horizon, 0.0, 2.0);
  f("fade", &method::fade, 0.0, 1.0);
  f("rest", &method::rest_power, 0.0, 2.0);
  f("momentum", &method::momentum, 0.0, 0.999);
  f("synchronous", &method::synchronous, 0.0, 0.5);
  f("rise", &method::rise, 0.0, 0.5);
  f("window", &method::window, 0.001, 1.0);
  f("slow", &method::slow, 0.0, 2.0);
  f("match", &method::match, 0.0, 10.0);
  f("beta1", &method::beta1, 0.0, 0.999);
}

/// The method of that name, or a variant of one: "muon-ahead-last:horizon=0.25:rest=0.5". Lives as long as the program.
/// Throws foal::error where there is no such method or number.
method const& method_named(std::string const& name);

optimizers optimizers_of(method const& m);

}  // namespace delay_lab
