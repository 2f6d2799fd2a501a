// Which weights an op of a stage reads: live ones, an old version, or live ones that the delay policy changes.
#pragma once

#include <foal/executor/tied.hpp>

namespace foal::executor {

/// What F, R, B and U of a stage have to do with versions of its weights. Called by the stage's worker.
class stage_weights {
 protected:
  stage_weights(table::run_tables const& tables, table::run_values const& values) : t_(tables), v_(values) {}

  /// The rate of the update after `later` more.
  static double rate_of(table::run_tables const& t, bound_stage const& b, long long later) {
    long long const since = b.updates - b.phase_updates;
    return t.rate(t.rate_value, {b.updates + later, b.asynchronous, since + later, b.facts.tau_fwd, b.number,
                                 static_cast<int>(t.stages.size())});
  }
  delay::moment moment_of(bound_stage const& b) const {
    delay::moment m = b.moment();
    m.stages = static_cast<int>(t_.stages.size());
    m.microbatches = v_.microbatches;
    m.rates = {&t_, &b, [](void const* t, void const* unit, long long ahead) {
                 return rate_of(*static_cast<table::run_tables const*>(t), *static_cast<bound_stage const*>(unit),
                                ahead - 1);
               }};
    return m;
  }

  weight_set version(bound_stage const& b, std::uint32_t v) const {
    if (v == b.version) return {b.w, false};
    return {static_cast<std::byte*>(b.history.at(v)), b.history_packed};
  }

  /// What F, or R, of a microbatch reads before a delay policy changes it.
  weight_set read_version(bound_stage const& b, std::uint32_t m, bool recomputes) const {
    if (recomputes) return b.kept.recompute ? version(b, b.recompute_version(m)) : weight_set{b.w, false};
    return b.kept.forward ? version(b, b.forward_version(m)) : weight_set{b.w, false};
  }

  weight_set forward_weights(bound_stage& b, std::uint32_t m) const {
    weight_set const read = read_version(b, m, false);
    // An old version has been predicted when it was the newest one.
    if (!predicts(b) || read.base != b.w) return read;
    return changed_weights(b, read, t_.policies.forward_weight, t_.policies.forward_numbers, moment_of(b), b.predicted);
  }

  /// Where R reads a newer version than F has, the saved activations are that one's: tau_recomp < tau_fwd. A policy that
  /// corrects B's weights corrects these by their own lag.
  weight_set recompute_weights(bound_stage& b, std::uint32_t m) const {
    weight_set const read = read_version(b, m, true);
    bool const corrects = t_.policies.backward_weight != nullptr && b.facts.tau_fwd > b.facts.tau_recomp &&
                          b.compensates(t_.policies.delay_states);
    if (!corrects) return read;
    delay::moment now = moment_of(b);
    now.lag = t_.exact_lag ? between(b.forward_version(m), b.recompute_version(m)) : b.facts.tau_fwd - b.facts.tau_recomp;
    return changed_weights(b, read, t_.policies.backward_weight, t_.policies.backward_numbers, now, b.predicted);
  }

  /// What a delay policy's functor gets of a parameter beside its weights.
  void give_states(table::weight_call& c, bound_stage const& b, table::parameter_row const& p) const {
    c.moment.rate = b.rate * p.rule.rate_factor;
    c.moment.rates.factor = p.rule.rate_factor;
    for (int k = 0; k < t_.policies.delay_states; ++k) c.delay_states[k] = b.delay_state(k, p, t_.types.delay);
    for (int k = 0; k < t_.policies.delay_sees; ++k)
      c.seen[k] = b.states[k] + bytes_of(t_.types.optimizer, p.state_offset[k]);
  }

  /// After W of a microbatch, whose gradient lies alone: adds it to the minibatch's, as the delay policy changes it with the
  /// weights that its F has read.
  void add_microbatch(bound_stage& b, std::uint32_t m) const {
    weight_set const then = version(b, b.forward_version(m));
    bool const acts = b.compensates(t_.policies.delay_states);
    table::gradient_call c;
    c.device = b.device;
    c.delay = t_.delay_value;
    c.moment = moment_of(b);
    if (t_.exact_lag) c.moment.lag = between(b.forward_version(m), b.version);
    run_calls(b, c, t_.policies.gradient_numbers, t_.policies.microbatch_gradient, [&](table::parameter_row const& p) {
      if (p.kind != table::ownership::trained || p.home_stage >= 0) return false;
      c.n = static_cast<std::size_t>(p.size);
      c.w = detail::in(b.w, p.type, p);
      c.then = b.in_set(then, p);
      c.g = detail::in(b.microbatch, t_.types.gradients, p);
      c.sum = detail::in(b.g, t_.types.gradients, p);
      c.compensate = acts && b.delay_acts_on(p);
      if (c.compensate) give_states(c, b, p);
      return true;
    });
  }

  /// A call for each parameter that place(row) does not leave out. On an asynchronous device their numbers go before them,
  /// in one copy.
  template <class Call, class Place>
  void run_calls(bound_stage& b, Call& c, table::call_numbers<Call> const& numbers, void (*act)(Call const&),
                 Place place) const {
    std::size_t const count = b.table->parameters.size();
    if (b.later != nullptr) {
      step_block const& at = b.later->layout();
      for (std::size_t i = 0; i < count; ++i)
        if (place(b.table->parameters[i])) numbers.write(c, b.later->number(at.weight_at(i)));
      b.later->bring(b.device, at.weights, at.weight_at(count));
      c.block = b.later->block();
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (!place(b.table->parameters[i])) continue;
      if (b.later != nullptr) c.numbers = b.later->layout().weight_at(i);
      if (!b.done_again()) act(c);
    }
  }

  /// Every parameter on which the delay policy acts, changed by it, at their offsets from `to`.
  weight_set changed_weights(bound_stage& b, weight_set read, void (*change)(table::weight_call const&),
                             table::call_numbers<table::weight_call> const& numbers, delay::moment now,
                             std::byte* to) const {
    table::weight_call c;
    c.device = b.device;
    c.delay = t_.delay_value;
    c.moment = now;
    run_calls(b, c, numbers, change, [&](table::parameter_row const& p) {
      if (!b.delay_acts_on(p) || p.home_stage >= 0) return false;
      c.n = static_cast<std::size_t>(p.size);
      c.w = b.in_set(read, p);
      c.u = to + bytes_of(p.type, p.offset);
      give_states(c, b, p);
      return true;
    });
    return {to, false};
  }
  static double between(std::uint32_t older, std::uint32_t newer) {
    return static_cast<double>(newer) - static_cast<double>(older);
  }
  bool predicts(bound_stage const& b) const {
    return t_.policies.forward_weight != nullptr && !b.one_version && b.compensates(t_.policies.delay_states);
  }
  void* forward_pointer(bound_stage& b, weight_set w, int parameter, std::uint32_t m, bool recomputes) const {
    table::parameter_row const& p = b.table->parameters[static_cast<std::size_t>(parameter)];
    if (recomputes && b.recompute_reads_home())
      if (void* const lent = borrowed_version(b, parameter, m, &schedule::version_read::recompute); lent != nullptr)
        return lent;
    if (p.kind == table::ownership::borrowed) return b.w + bytes_of(p.type, p.offset);
    if (w.base == b.predicted && !b.delay_acts_on(p)) return b.in_set(read_version(b, m, recomputes), p);
    return b.in_set(w, p);
  }

  /// A parameter as B of a microbatch reads it: in the set, or, where old versions are kept of one that is borrowed, at
  /// home.
  void* backward_pointer(bound_stage& b, weight_set w, int parameter, std::uint32_t m) const {
    if (b.backward_reads_home())
      if (void* const lent = borrowed_version(b, parameter, m, &schedule::version_read::backward); lent != nullptr)
        return lent;
    return b.in_set(w, b.table->parameters[static_cast<std::size_t>(parameter)]);
  }

  weight_set backward_weights(bound_stage& b, std::uint32_t m) const {
    weight_set const read = b.kept.backward ? version(b, b.backward_version(m)) : weight_set{b.w, false};
    bool const extrapolates = t_.policies.backward_weight != nullptr && b.table->backward_elements > 0 && !b.one_version &&
                              b.compensates(t_.policies.delay_states);
    if (!extrapolates) return read;
    table::weight_call c;
    c.device = b.device;
    c.delay = t_.delay_value;
    c.moment = moment_of(b);
    if (t_.exact_lag) c.moment.lag = between(b.forward_version(m), b.backward_version(m));
    run_calls(b, c, t_.policies.backward_numbers, t_.policies.backward_weight, [&](table::parameter_row const& p) {
      if (p.backward_offset < 0 || p.home_stage >= 0) return false;
      c.n = static_cast<std::size_t>(p.size);
      c.w = b.in_set(read, p);
      c.u = b.extrapolated + bytes_of(p.type, p.backward_offset);
      give_states(c, b, p);
      return true;
    });
    return {b.extrapolated, true};
  }

  /// Before the weights change: their present version goes to its slot among the old ones. The slot's last version was
  /// read for the last time before this update, because no microbatch in flight spans more versions than there are slots.
  void keep_version(bound_stage& b) const {
    if (b.copies == 0 || b.history.base == nullptr) return;
    auto* const slot = static_cast<std::byte*>(b.history.at(b.version));
    if (!b.history_packed) {
      if (!b.done_again()) t_.device.copy(b.device, slot, b.w, bytes_of(t_.types.weights, b.table->weight_elements));
      if (b.kept.forward && predicts(b))  // F that reads it later reads what it would have read now
        changed_weights(b, {b.w, false}, t_.policies.forward_weight, t_.policies.forward_numbers, moment_of(b), slot);
      return;
    }
    if (b.done_again()) return;
    for (table::parameter_row const& p : b.table->parameters)
      if (p.backward_offset >= 0 && p.home_stage < 0)
        t_.device.copy(b.device, slot + bytes_of(p.type, p.backward_offset), b.w + bytes_of(p.type, p.offset),
                       bytes_of(p.type, p.size));
  }

  table::run_tables const& t_;
  table::run_values const& v_;
};

}  // namespace foal::executor
