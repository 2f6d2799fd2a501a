// The two halves of an update whose states replicas share out: each steps on its part, then all take the weights of all.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <foal/executor/updates.hpp>

namespace foal::executor {

/// G steps, U takes. In between a unit's gradients become its new weights: the weights themselves stay what they are until
/// U, as ops before it may read them.
class shard_ops : public stage_updates {
 public:
  /// Of the unit's part, whose sum is there. Gives what is not finite, and changes nothing then.
  std::string step_part(bound_stage& b) const {
    if (waited(b, schedule::op_kind::G)) return {};
    std::size_t const at = bytes_of(t_.types.gradients, b.part.first);
    double const bound = t_.device.magnitude_bound(b.device, static_cast<std::size_t>(b.part.count), b.g + at);
    if (!std::isfinite(bound)) return find_non_finite(b);
    table::update_call c = call_of_update(b, 1);
    if (!std::isfinite(c.rate)) return "learning rate";
    c.compensate = false;  // U shows the delay policy what has become of all weights
    if (!check_.stays_finite(b, c, bound))
      if (std::string what = check_.find_non_finite(b, c, bound, false); !what.empty()) return what;
    for (table::parameter_row const& p : b.table->parameters) {
      if (p.kind != table::ownership::trained || p.home_stage >= 0) continue;
      check_.place(c, b, p, false);
      step_blocks(b, c, p);
    }
    return {};
  }

  /// U: the new weights of all parts are there. Gives what is not as it must be, and changes nothing then.
  std::string take_parts(bound_stage& b) const {
    if (!waited(b, schedule::op_kind::U)) {
      table::update_call c = call_of_update(b, 1);
      bool const compensate = c.compensate;
      auto const n = static_cast<std::size_t>(b.table->trained_elements);
      double const most = t_.types.gradients == element::float64 ? std::numeric_limits<double>::max()
                                                                 : static_cast<double>(std::numeric_limits<float>::max());
      if (compensate && !(t_.device.magnitude_bound(b.device, n, b.g) < 1e-4 * most)) return "size of the new weights";
      keep_version(b);
      for (table::parameter_row const& p : b.table->parameters) {
        if (!compensate || p.kind != table::ownership::trained || p.home_stage >= 0 || !b.delay_acts_on(p)) continue;
        check_.place_whole(c, b, p, true);
        t_.policies.watch_update(c);
      }
      t_.device.copy(b.device, b.w, b.g, n * bytes_of(t_.types.weights));
      t_.device.zero(b.device, b.g, n * bytes_of(t_.types.gradients));
      if (t_.device.weights_changed != nullptr) t_.device.weights_changed(b.device);
      b.rate = c.rate;
    }
    ++b.version;
    ++b.updates;
    if (t_.wait == nullptr) publish_lent(t_, b);
    return {};
  }

 protected:
  using stage_updates::stage_updates;

 private:
  /// The new weights in place of the gradients, by way of the room for trials.
  void step_blocks(bound_stage const& b, table::update_call const& whole, table::parameter_row const& p) const {
    std::size_t const block = trial_block(t_);
    for (std::size_t first = 0; first < whole.n; first += block) {
      table::update_call c = whole;
      c.n = std::min(block, whole.n - first);
      auto const from = [&](void* array, element type) {
        return array == nullptr ? nullptr : static_cast<std::byte*>(array) + first * bytes_of(type);
      };
      std::size_t const bytes = c.n * bytes_of(t_.types.weights);
      t_.device.copy(b.device, b.trial, from(c.w, t_.types.weights), bytes);
      c.w = b.trial;
      c.g = from(c.g, t_.types.gradients);
      for (void*& s : c.states) s = from(s, t_.types.optimizer);
      t_.policies.optimizer[p.optimizer].update(c);
      t_.device.copy(b.device, c.g, b.trial, bytes);
    }
  }
};

}  // namespace foal::executor
