// Whether an update leaves every number finite: known before anything is written.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include <foal/executor/bound_stage.hpp>
#include <foal/plan/trial.hpp>

namespace foal::executor {

/// Reads the gradient once, as a check for finite numbers does; the rest follows from bounds on the stage's numbers, which
/// are carried from update to update. Where they do not tell, they are measured; where those do not tell either, or the
/// policies know no bounds, the update, which is elementwise, is done on copies, block by block, before it is done.
class update_check {
 public:
  explicit update_check(table::run_tables const& tables) : t_(tables) {}

  /// Fills in the call's arrays of a parameter.
  void place(table::update_call& c, bound_stage const& b, table::parameter_row const& p, bool compensate) const {
    c.n = static_cast<std::size_t>(p.size);
    c.rule = p.rule;
    c.moment.rate = c.rate * p.rule.rate_factor;
    c.w = detail::in(b.w, t_.types.weights, p);
    c.g = detail::in(b.g, t_.types.gradients, p);
    for (int k = 0; k < t_.policies.optimizer_states; ++k) c.states[k] = detail::in(b.states[k], t_.types.optimizer, p);
    c.compensate = compensate && b.delay_acts_on(p);
    for (int k = 0; k < t_.policies.delay_states; ++k)
      c.delay_states[k] = c.compensate ? b.delay_state(k, p, t_.types.delay) : nullptr;
  }

  /// Whether the bounds tell that the update leaves every number finite. gradient: no magnitude of the stage's is above it.
  bool stays_finite(bound_stage& b, table::update_call const& c, double gradient) const {
    if (!b.bounded) return false;
    b.bounds.g = gradient;
    return b.bounded = t_.policies.bound(c, b.bounds);
  }

  /// What the update would write that is not finite; empty: nothing. For when stays_finite() has given false.
  std::string find_non_finite(bound_stage& b, table::update_call c, double gradient, bool compensate) const {
    if (t_.policies.bound != nullptr) {
      measure(b, c, compensate);
      b.bounded = true;
      c.compensate = compensate;
      if (stays_finite(b, c, gradient)) return {};
    }
    for (table::parameter_row const& p : b.table->parameters) {
      if (p.kind != table::ownership::trained || p.home_stage >= 0) continue;
      place(c, b, p, compensate);
      if (std::string what = try_parameter(b, c, p); !what.empty()) return what;
    }
    return {};
  }

 private:
  void measure(bound_stage& b, table::update_call c, bool compensate) const {
    auto const n = static_cast<std::size_t>(b.table->trained_elements);
    b.bounds = {};
    b.bounds.w = t_.device.magnitude_bound(b.device, n, b.w);
    for (int k = 0; k < t_.policies.optimizer_states; ++k)
      b.bounds.state[k] = t_.device.magnitude_bound(b.device, n, b.states[k]);
    for (table::parameter_row const& p : b.table->parameters) {
      if (!compensate || !b.delay_acts_on(p) || p.home_stage >= 0) continue;
      place(c, b, p, compensate);
      for (int k = 0; k < t_.policies.delay_states; ++k)
        b.bounds.delay[k] = std::max(b.bounds.delay[k], t_.device.magnitude_bound(b.device, c.n, c.delay_states[k]));
    }
  }

  std::string try_parameter(bound_stage const& b, table::update_call const& whole, table::parameter_row const& p) const {
    std::size_t const block = std::min(whole.n, trial_block(t_));
    for (std::size_t first = 0; first < whole.n; first += block) {
      table::update_call c = whole;
      c.n = std::min(block, whole.n - first);
      std::byte* at = b.trial;
      auto const copy = [&](void*& array, element type) {
        if (array == nullptr) return;
        std::size_t const one = bytes_of(type);
        t_.device.copy(b.device, at, static_cast<std::byte const*>(array) + first * one, c.n * one);
        array = at;
        at += padded(block * one);
      };
      copy(c.w, t_.types.weights);
      copy(c.g, t_.types.gradients);
      for (void*& s : c.states) copy(s, t_.types.optimizer);
      for (void*& s : c.delay_states) copy(s, t_.types.delay);
      t_.policies.update(c);
      auto const bad = [&](void const* array) { return array != nullptr && !t_.device.all_finite(b.device, c.n, array); };
      if (bad(c.w)) return "new value of " + p.name;
      if (std::any_of(std::begin(c.states), std::end(c.states), bad)) return "optimizer's new state of " + p.name;
      if (std::any_of(std::begin(c.delay_states), std::end(c.delay_states), bad))
        return "delay policy's new state of " + p.name;
    }
    return {};
  }

  table::run_tables const& t_;
};

}  // namespace foal::executor
