// What a learning-rate policy must offer, and what it is asked with.
#pragma once

#include <cmath>
#include <concepts>
#include <string_view>

#include <foal/core/error.hpp>
#include <foal/core/role.hpp>

namespace foal::lr {

/// A stage just before one of its updates.
struct moment {
  long long update = 0;       ///< the stage's own count of updates before this one, from the start of the run
  bool asynchronous = false;  ///< false on synchronous schedules and in the synchronous warm-up (T3)
  long long since = 0;        ///< k: updates since the asynchronous phase began
  double tau = 0;             ///< the stage's mean forward delay in minibatches
  int stage = 0, stages = 1;  ///< which one, of how many
};

/// Needs: role = foal::role::learning_rate; double at(lr::moment) const. Like every policy it may have void check() const,
/// which throws foal::error where its numbers cannot work; the trainer calls it before anything else.
template <class P>
concept learning_rate = std::same_as<typename P::role, foal::role::learning_rate> && requires(P const p, moment m) {
  { p.at(m) } -> std::same_as<double>;
};

/// Linear warm-up: (t + 1) / warmup for the first `warmup` updates, then 1.
constexpr double linear_warmup(long long update, long long warmup) {
  return update >= warmup ? 1.0 : static_cast<double>(update + 1) / static_cast<double>(warmup);
}

/// For check(): what all base rates have.
inline void check_rate(std::string_view policy, double rate, long long warmup) {
  require_number(std::isfinite(rate) && rate >= 0, policy, "rate", rate, "0 or more");
  require_number(warmup >= 0, policy, "warmup", static_cast<double>(warmup), "0 or more");
}

/// P declares static constexpr bool needs_delay = true: without a delay it changes nothing.
template <class P>
concept needs_delay = requires { requires P::needs_delay; };

}  // namespace foal::lr
