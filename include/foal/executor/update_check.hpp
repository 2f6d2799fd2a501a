// Whether an update leaves every number finite: known before anything is written.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include <foal/executor/bound_stage.hpp>
#include <foal/plan/trial.hpp>

namespace foal::executor {

/// Whether a unit updates a part of its weights alone.
inline bool is_sharded(table::run_tables const& t, bound_stage const& b) { return t.replica.shards() && !b.others.empty(); }
/// The elements of a stage's array of states that a unit has.
inline gradient_part states_of(table::run_tables const& t, bound_stage const& b, int k) {
  return is_sharded(t, b) ? b.part : gradient_part{0, b.table->state_elements[k]};
}

/// The gradient is read once, as a check for finite numbers does: layer by layer behind the last W of a minibatch, where it
/// is whole then, else by U. The rest follows from bounds on the stage's numbers, which are carried from update to update.
/// Where they do not tell, they are measured; where those do not tell either, or the policies know no bounds, the update is
/// done on copies before it is done: block by block where it is elementwise.
class update_check {
 public:
  explicit update_check(table::run_tables const& tables) : t_(tables) {}

  /// Fills in the call's arrays of a parameter: of its part that the unit updates.
  void place(table::update_call& c, bound_stage const& b, table::parameter_row const& p, bool compensate) const {
    place_whole(c, b, p, compensate);
    if (c.compensate && t_.policies.sums != nullptr) t_.policies.sums(c);
    if (!is_sharded(t_, b)) return;
    long long const first = std::clamp(b.part.first - p.offset, 0LL, p.size),
                    end = std::clamp(b.part.first + b.part.count - p.offset, first, p.size);
    c.n = static_cast<std::size_t>(end - first);
    c.w = static_cast<std::byte*>(c.w) + bytes_of(t_.types.weights, first);
    c.g = static_cast<std::byte*>(c.g) + bytes_of(t_.types.gradients, first);
    for (int k = 0; k < t_.policies.optimizer_states; ++k)  // the unit's states are those of its part
      if (k < t_.policies.optimizer[p.optimizer].states)
        c.states[k] = b.states[k] + bytes_of(t_.types.optimizer, std::max(0LL, p.offset + first - b.part.first));
  }
  /// Of all of it, but for states that replicas share out.
  void place_whole(table::update_call& c, bound_stage const& b, table::parameter_row const& p, bool compensate) const {
    c.n = static_cast<std::size_t>(p.size);
    c.optimizer = optimizer_of(p);
    c.extent = p.what.extent;
    c.scratch = b.trial;
    c.rule = p.rule;
    c.moment.rate = c.rate * p.rule.rate_factor;
    c.moment.rates.factor = p.rule.rate_factor;
    c.w = detail::in(b.w, t_.types.weights, p);
    c.g = detail::in(b.g, t_.types.gradients, p);
    for (int k = 0; k < t_.policies.optimizer_states; ++k)
      c.states[k] = k < t_.policies.optimizer[p.optimizer].states && !is_sharded(t_, b)
                        ? b.states[k] + bytes_of(t_.types.optimizer, p.state_offset[k])
                        : nullptr;
    c.compensate = compensate && b.delay_acts_on(p);
    for (int k = 0; k < t_.policies.delay_states; ++k)
      c.delay_states[k] = c.compensate ? b.delay_state(k, p, t_.types.delay) : nullptr;
  }

  /// Whether the bounds tell that the update leaves every number finite. gradient: no magnitude of the stage's is above it.
  bool stays_finite(bound_stage& b, table::update_call const& c, double gradient) const {
    if (!b.bounded) return false;
    b.bounds.g = gradient;
    return b.bounded = bound(b, c);
  }

  /// The largest magnitude of a gradient, by powers of 2^16, that is known to leave every number finite; 0: of none it is
  /// known. Measures where the bounds do not tell, which waits for the device.
  double limit(bound_stage& b, table::update_call c, bool compensate) const {
    if (!knows_bounds()) return 0;
    if (double const known = b.bounded ? largest(b, c) : 0; known > 0) return known;
    measure(b, c, compensate);
    b.bounded = true;
    c.compensate = compensate;
    return largest(b, c);
  }

  /// What the update would write that is not finite; empty: nothing. For when stays_finite() has given false.
  std::string find_non_finite(bound_stage& b, table::update_call c, double gradient, bool compensate) const {
    if (knows_bounds()) {
      measure(b, c, compensate);
      b.bounded = true;
      c.compensate = compensate;
      if (stays_finite(b, c, gradient)) return {};
    }
    for (table::parameter_row const& p : b.table->parameters) {
      if (p.kind != table::ownership::trained || p.home_stage >= 0) continue;
      place(c, b, p, compensate);
      bool const whole = t_.policies.optimizer[p.optimizer].whole;
      if (std::string what = whole ? try_whole(b, c, p) : try_parameter(b, c, p); !what.empty()) return what;
    }
    return {};
  }

 private:
  double largest(bound_stage& b, table::update_call const& c) const {
    table::update_bounds const before = b.bounds;
    constexpr double least = 1e9;  // a gradient as large as that is none to go on with
    double g = t_.types.gradients == element::float64 ? 0x1p1000 : 0x1p124;
    for (; g >= least; g *= 0x1p-16) {
      b.bounds = before;
      b.bounds.g = g;
      if (bound(b, c)) break;
    }
    b.bounds = before;
    return g >= least ? g : 0;
  }
  void const* optimizer_of(table::parameter_row const& p) const {
    table::optimizer_functions const& f = t_.policies.optimizer[p.optimizer];
    return f.part != nullptr ? f.part(t_.optimizer_value) : t_.optimizer_value;
  }
  bool knows_bounds() const {
    table::policy_functions const& f = t_.policies;
    return std::all_of(f.optimizer, f.optimizer + f.optimizers, [](auto const& o) { return o.bound != nullptr; });
  }

  /// The bounds of a stage after an update, whose call has the run's optimizer: those of every optimizer, of one that takes
  /// parameters as a whole for each.
  bool bound(bound_stage& b, table::update_call const& stage) const {
    table::policy_functions const& f = t_.policies;
    if (f.optimizers == 1 && !f.optimizer[0].whole) return f.optimizer[0].bound(stage, b.bounds);
    table::update_call c = stage;
    bool asked[table::most_optimizers]{};
    table::update_bounds all;
    for (table::parameter_row const& p : b.table->parameters) {
      table::optimizer_functions const& one = f.optimizer[p.optimizer];
      if (p.kind != table::ownership::trained || p.home_stage >= 0 || (!one.whole && asked[p.optimizer])) continue;
      asked[p.optimizer] = true;
      table::update_bounds after = b.bounds;
      c.optimizer = optimizer_of(p);
      c.extent = p.what.extent;
      if (!one.bound(c, after)) return false;
      all.w = std::max(all.w, after.w);
      for (int k = 0; k < table::most_states; ++k) {
        all.state[k] = std::max(all.state[k], after.state[k]);
        all.delay[k] = std::max(all.delay[k], after.delay[k]);
      }
    }
    b.bounds = all;
    return true;
  }

  void measure(bound_stage& b, table::update_call c, bool compensate) const {
    auto const n = static_cast<std::size_t>(b.table->trained_elements);
    b.bounds = {};
    b.bounds.w = t_.device.magnitude_bound(b.device, n, b.w);
    for (int k = 0; k < t_.policies.optimizer_states; ++k)
      b.bounds.state[k] =
          t_.device.magnitude_bound(b.device, static_cast<std::size_t>(states_of(t_, b, k).count), b.states[k]);
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
      t_.policies.optimizer[p.optimizer].update(c);
      auto const bad = [&](void const* array) { return array != nullptr && !t_.device.all_finite(b.device, c.n, array); };
      if (bad(c.w)) return "new value of " + p.name;
      if (std::any_of(std::begin(c.states), std::end(c.states), bad)) return "optimizer's new state of " + p.name;
      if (std::any_of(std::begin(c.delay_states), std::end(c.delay_states), bad))
        return "delay policy's new state of " + p.name;
    }
    return {};
  }

  /// The same on copies of the whole parameter and its states.
  std::string try_whole(bound_stage const& b, table::update_call c, table::parameter_row const& p) const {
    std::byte* at = b.trial + p.update_scratch;
    auto const copy = [&](void*& array, element type, long long n) {
      if (array == nullptr) return;
      std::size_t const bytes = bytes_of(type, n);
      t_.device.copy(b.device, at, array, bytes);
      array = at;
      at += padded(bytes);
    };
    copy(c.w, t_.types.weights, p.size);
    copy(c.g, t_.types.gradients, p.size);
    for (int k = 0; k < table::most_states; ++k) copy(c.states[k], t_.types.optimizer, p.state_size[k]);
    for (void*& s : c.delay_states) copy(s, t_.types.delay, p.size);
    t_.policies.optimizer[p.optimizer].update(c);
    auto const bad = [&](void const* array, long long elements) {
      return array != nullptr && !t_.device.all_finite(b.device, static_cast<std::size_t>(elements), array);
    };
    if (bad(c.w, p.size)) return "new value of " + p.name;
    for (int k = 0; k < table::most_states; ++k)
      if (bad(c.states[k], p.state_size[k])) return "optimizer's new state of " + p.name;
    for (void* s : c.delay_states)
      if (bad(s, p.size)) return "delay policy's new state of " + p.name;
    return {};
  }

  table::run_tables const& t_;
};

}  // namespace foal::executor
