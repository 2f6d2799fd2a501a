// What U does to a bound stage, and what is to be found out before it writes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>

#include <foal/executor/probe.hpp>
#include <foal/executor/update_check.hpp>
#include <foal/executor/weights.hpp>

namespace foal::executor {

class stage_updates : public stage_weights {
 public:
  /// With the last W of a minibatch (among replicas, with G), where the norm of the whole model clips: the unit's part of
  /// it.
  void give_squares(bound_stage& b) const {
    ++b.gradients_given;
    if (t_.wait != nullptr) return;
    if (b.others.empty()) collect_lent(t_, b);
    b.squares = t_.device.sum_of_squares(b.device, static_cast<std::size_t>(b.table->trained_elements), b.g);
  }

  /// U. Gives what is not finite, and changes nothing, if the gradient is not, or something that it would write.
  /// squares_of_model: the sum of all units' parts, where the norm of the whole model clips.
  std::string update(bound_stage& b, double squares_of_model = 0) const {
    if (waited(b, schedule::op_kind::U)) {
      ++b.version;
      ++b.updates;
      return {};
    }
    bool const of_model = t_.clip.over == clip::scope::model;  // then give_squares() has collected
    if (!of_model && (b.others.empty() || t_.replica.of_weights())) collect_lent(t_, b);  // else send_parts() has
    if (b.later != nullptr && t_.clip.scale == nullptr && update_later(b)) return {};
    auto const n = static_cast<std::size_t>(b.table->trained_elements);
    double const bound = bound_of_gradient(b);
    if (!std::isfinite(bound)) return find_non_finite(b);

    double scale = 1;
    if (t_.clip.scale != nullptr) {
      double const squares = of_model ? squares_of_model : t_.device.sum_of_squares(b.device, n, b.g);
      double const norm = std::sqrt(squares) / b.summed;
      if (!std::isfinite(norm)) return of_model ? "norm of all stages' gradients" : "norm of the gradient";
      scale = t_.clip.scale(t_.clip_value, norm);
    }
    table::update_call c = call_of_update(b, scale);
    if (!std::isfinite(c.rate)) return "learning rate";
    bool const compensate = c.compensate;
    if (!check_.stays_finite(b, c, bound))
      if (std::string what = check_.find_non_finite(b, c, bound, compensate); !what.empty()) return what;
    do_update(b, c);
    return {};
  }

  /// Before a period that is recorded: whether U of it needs no look at its gradient. Needs b.summed, and that the U before
  /// is settled.
  bool knows_limit(bound_stage& b) const {
    table::update_call const c = call_of_update(b, 1);
    if (!std::isfinite(c.rate)) return false;
    b.later->most = check_.limit(b, c, c.compensate);
    return b.later->most > 0;
  }

  /// Whether the last U, on a device that is done with it later, has written; gives what was not finite if it has not.
  std::string settle(bound_stage& b) const {
    if (b.later == nullptr || !std::exchange(b.later->pending, false)) return {};
    double const bound = b.later->bound();
    if (bound <= b.later->most) {
      b.bounded = check_.stays_finite(b, b.later->call, bound);
      return {};
    }
    --b.version;
    --b.updates;
    if (!std::isfinite(bound)) return find_non_finite(b);
    return sentence("size of what U would write (the gradient may reach ", bound, ", and up to ", b.later->most,
                    " is known to be safe)");
  }

 protected:
  /// U of a stage, as far as its parameters have it in common.
  table::update_call call_of_update(bound_stage const& b, double scale) const {
    table::update_call c;
    c.device = b.device;
    c.optimizer = t_.optimizer_value;
    c.delay = t_.delay_value;
    c.divide = b.summed;
    c.scale = scale;
    c.rate = rate_of(t_, b, 0);
    c.rule = b.table->most_rule;
    c.update = b.updates + 1;
    c.moment = moment_of(b);
    c.moment.rate = c.rate;
    c.compensate = t_.compensates && b.compensates(t_.policies.delay_states);
    return c;
  }

  /// Places each parameter in the call.
  void do_update(bound_stage& b, table::update_call& c) const {
    bool const compensate = c.compensate;
    double const rate = c.rate;
    keep_version(b);
    show(b, [&](probe& to) { to.before_update(b); });
    auto const& all = b.table->parameters;
    for (std::size_t i = 0; !b.done_again() && i < all.size(); ++i) {
      if (all[i].kind != table::ownership::trained || all[i].home_stage >= 0) continue;
      check_.place(c, b, all[i], compensate);
      if (c.block != nullptr) c.numbers = b.later->layout().update_at(i);
      t_.policies.optimizer[all[i].optimizer].update(c);
    }
    if (t_.device.weights_changed != nullptr) t_.device.weights_changed(b.device);
    ++b.version;
    ++b.updates;
    b.rate = rate;
    publish_lent(t_, b);
    show(b, [&](probe& to) { to.after_update(b, rate); });
  }

  /// U without a look at the gradient: the device compares its bound with what is known to be safe when it comes to it, and
  /// settle() hears of it. Needs that the U before is settled. False: that is not known, and U must look.
  bool update_later(bound_stage& b) const {
    table::policy_functions const& f = t_.policies;
    if (!std::all_of(f.optimizer, f.optimizer + f.optimizers, [](auto const& o) { return o.numbers.write != nullptr; }))
      return false;
    later& l = *b.later;
    if (!l.in_period() && !knows_limit(b)) return false;
    table::update_call c = call_of_update(b, 1);
    l.call_bound(b.device, static_cast<std::size_t>(b.table->trained_elements), b.g);
    l.limit(l.most);
    l.call = c;
    bool const compensate = c.compensate;
    auto const& all = b.table->parameters;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].kind != table::ownership::trained || all[i].home_stage >= 0) continue;
      check_.place(c, b, all[i], compensate);
      f.optimizer[all[i].optimizer].numbers.write(c, l.number(l.layout().update_at(i)));
    }
    l.bring(b.device, offsetof(table::step_numbers, limit), l.layout().update_at(all.size()));
    table::update_call called = l.call;
    called.block = l.block();
    do_update(b, called);
    l.pending = true;
    return true;
  }

  /// No magnitude is above it; not finite: one of them is not. What W has not seen is read.
  double bound_of_gradient(bound_stage& b) const {
    seen_gradient const seen = std::exchange(b.seen, {});
    auto const& all = b.table->parameters;
    auto const trained =
        std::count_if(all.begin(), all.end(), [](auto const& p) { return p.kind == table::ownership::trained; });
    if (seen.parameters == trained) return seen.bound;
    return t_.device.magnitude_bound(b.device, static_cast<std::size_t>(b.table->trained_elements), b.g);
  }

  /// The parameter whose gradient is not finite.
  std::string find_non_finite(bound_stage& b) const {
    for (table::parameter_row const& p : b.table->parameters)
      if (p.kind == table::ownership::trained &&
          !t_.device.all_finite(b.device, static_cast<std::size_t>(p.size), detail::in(b.g, t_.types.gradients, p)))
        return "gradient of " + p.name;
    return "gradient";
  }

  /// Probes are not the training: what one throws is kept, and the op goes on.
  template <class Look>
  void show(bound_stage& b, Look look) const {
    if (b.replica != 0) return;  // they are of the model, which all replicas have
    for (probe* const to : watching_) try {
        look(*to);
      } catch (...) {
        if (!b.beside) b.beside = std::current_exception();
      }
  }

  /// On a device that waits instead of computing: the wait, and true.
  bool waited(bound_stage const& b, schedule::op_kind kind) const {
    if (t_.wait == nullptr) return false;
    t_.wait(t_.wait_value, kind, b.number);
    return true;
  }

  stage_updates(table::run_tables const& tables, table::run_values const& values, probes watching)
      : stage_weights(tables, values), check_(tables), watching_(std::move(watching)) {}

  update_check check_;
  probes watching_;  ///< mostly none
};

}  // namespace foal::executor
