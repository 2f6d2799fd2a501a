// What the ops F, B and W do to a bound stage; U is in updates.hpp. Order, waiting and hand-off are the worker's business,
// not theirs.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <foal/executor/calls.hpp>
#include <foal/executor/forward.hpp>
#include <foal/executor/moves.hpp>
#include <foal/executor/pool_gates.hpp>
#include <foal/executor/stage_data.hpp>

namespace foal::executor {

class stage_ops : public stage_data {
 public:
  stage_ops(table::run_tables const& tables, table::run_values const& values, table::source_functions const& source,
            std::byte* host_targets, probes watching = {})
      : stage_data(tables, values, source, host_targets, std::move(watching)) {}

  /// F. The loss, for the last stage; else nothing. b.refused says if a statistic would not be finite.
  loss::loss_result forward(bound_stage& b, position p) const {
    bool const last = b.number + 1 == static_cast<int>(t_.stages.size());
    if (waited(b, schedule::op_kind::F)) return {0, last ? t_.loss.sample_weight * v_.microbatch_size / t_.segments : 0, 0};
    pass_lengths(b, p);
    if (b.offload != nullptr) b.offload->before_forward(p.microbatch);
    if (b.number == 0 && !b.done_again()) load_inputs(b, p);
    take_borrowed(t_, b, p.microbatch);
    weight_set const w = forward_weights(b, p.microbatch);
    if (b.done_again()) return bring_sample(b, p), loss::loss_result{};
    forward_steps(b, b.forward_tensors, w, p, t_.phases.back().inference ? phase::evaluate : phase::train);
    if (moves_statistics(b)) {
      if (b.later != nullptr && b.later->in_period())
        call_statistics(b);
      else
        check_statistics(b);
    }
    if (!last || b.refused >= 0) return {};
    return apply_loss(b, p);
  }
  /// Whether the last stage's F leaves its loss in the unit's block, in place of giving it.
  bool gives_loss_later(bound_stage const& b) const {
    return b.later != nullptr && t_.loss.apply_later != nullptr && b.number + 1 == static_cast<int>(t_.stages.size());
  }

  /// R: what F saved, again, with the weights of now, or as near to F's as the delay policy brings them.
  void recompute(bound_stage& b, position p) const {
    if (waited(b, schedule::op_kind::R)) return;
    weight_set const w = recompute_weights(b, p.microbatch);
    if (b.done_again()) return bring_sample(b, p);
    forward_steps(b, b.tensors, w, p, phase::recompute);
  }

  /// B, or with weight_gradients BW.
  void backward(bound_stage& b, position p, bool weight_gradients) const {
    if (waited(b, weight_gradients ? schedule::op_kind::BW : schedule::op_kind::B)) return;
    bool const alone = weight_gradients && b.microbatch != nullptr;
    if (alone) t_.device.zero(b.device, b.microbatch, bytes_of(t_.types.gradients, b.table->gradient_elements));
    if (weight_gradients) b.seen = {};
    bool const whole = weight_gradients && !alone && !t_.thick && b.backwards + 1 >= b.facts.share && sees_gradient(b);
    weight_set const w = backward_weights(b, p.microbatch);
    show(b, [&](probe& to) { to.before_backward(b, p.microbatch, w); });
    if (b.done_again())
      bring_sample(b, p);
    else
      backward_steps(b, p, w, weight_gradients, whole);
    if (alone) add_microbatch(b, p.microbatch);
    if (b.offload != nullptr) b.offload->after_backward(p.microbatch);
    if (++b.backwards < b.facts.share) return;
    b.backwards = 0;
    return_borrowed(t_, b, p.microbatch / static_cast<std::uint32_t>(b.facts.share));
  }

  /// What F has saved of a microbatch goes to the slots of another rank, or to host memory, and comes back for the backward.
  /// On a device that waits instead of computing it takes no time.
  void evict(bound_stage& b, std::uint32_t m) const {
    if (b.offload != nullptr && t_.wait == nullptr) b.offload->after_forward(m);
    if (t_.wait == nullptr)
      for (evicted_arrays::one const& a : b.evicted.arrays)
        t_.device.copy(b.device, a.away.at(m), b.forward_tensors[a.tensor].at(m), a.bytes);
    if (b.evicted.gone != nullptr) b.evicted.gone->advance(m + 1);
  }
  void fetch(bound_stage& b, std::uint32_t m) const {
    if (t_.wait != nullptr) return;
    if (b.offload != nullptr) b.offload->before_backward(m);
    for (evicted_arrays::one const& a : b.evicted.arrays)
      t_.device.copy(b.device, b.tensors[a.tensor].at(m), a.away.at(m), a.bytes);
  }

  bool moves_statistics(bound_stage const& b) const { return b.table->buffer_elements > 0 && !t_.phases.back().inference; }
  /// For layers that move their statistics without a look at them: finds the first that is not finite, which is b.refused.
  void check_statistics(bound_stage& b) const {
    auto const finite = [&](long long n, std::byte const* x) {
      return t_.device.all_finite(b.device, static_cast<std::size_t>(n), x);
    };
    if (b.refused >= 0 || finite(b.table->buffer_elements, b.buffers)) return;
    for (std::size_t i = 0; i < b.table->buffers.size() && b.refused < 0; ++i)
      if (!finite(b.table->buffers[i].size, detail::in(b.buffers, t_.types.statistics, b.table->buffers[i])))
        b.refused = static_cast<int>(i);
  }

  /// W, where it is an op of its own.
  void backward_weight(bound_stage& b, position p) const {
    if (waited(b, schedule::op_kind::W)) return;
    b.done_again() ? bring_sample(b, p) : weight_steps(b, p);
  }

  /// W of the unit's part of the minibatch that begins with `first`, at once where its arrays lie one after the other.
  void backward_weight_together(bound_stage& b, position first) const {
    if (waited(b, schedule::op_kind::W)) return;
    b.seen = {};
    bool const whole = sees_gradient(b);
    if (b.table->coded) {  // there is one decoded copy, of one microbatch
      for (int j = 0; j < b.facts.share; ++j) weight_steps(b, pass_of(b, first, j));
      return;
    }
    for (table::step const& s : b.table->backward_weight) {
      table::layer_row const& l = b.table->layers[static_cast<std::size_t>(s.layer)];
      bool const together = lies_together(b, l, s);
      for (int j = 0; j < (together ? 1 : b.facts.share); ++j) {
        // A copy: its samples may be those of all microbatches.
        table::layer_call c = backward_call(b, l, s, pass_of(b, first, j));
        if (together) c.samples *= b.facts.share;
        l.call.backward_weight(c);
      }
      if (whole) see_gradient(b, l);
    }
  }

 private:
  /// B or BW, by the layers.
  void backward_steps(bound_stage& b, position p, weight_set w, bool weight_gradients, bool whole) const {
    for (table::step const& s : b.table->backward) {
      if (s.what != table::step::kind::layer) {
        move_tensors(b, b.tensors, s, p);
        continue;
      }
      table::layer_row const& l = b.table->layers[static_cast<std::size_t>(s.layer)];
      bool const own = l.trains && ((weight_gradients && !t_.thick) || l.early);
      if (s.x < 0 && !own) continue;
      table::layer_call& c = backward_call(b, l, s, p);
      for (int i = 0; i < l.parameters; ++i) c.w[i] = backward_pointer(b, w, l.first_parameter + i, p.microbatch);
      if (own && s.x >= 0 && l.call.backward != nullptr) {
        l.call.backward(c);
        if (whole) see_gradient(b, l);
        continue;
      }
      if (own) l.call.backward_weight(c);  // before dx, which may overwrite dy
      if (own && whole) see_gradient(b, l);
      if (s.x >= 0) l.call.backward_input(c);
    }
  }

  void call_statistics(bound_stage& b) const {
    b.later->call_statistics(b.device, static_cast<std::size_t>(b.table->buffer_elements), b.buffers);
  }

  using rings = std::vector<ring>;

  /// Pass j of a minibatch that begins with `first`.
  position pass_of(bound_stage const& b, position first, int j) const {
    return {first.microbatch + static_cast<std::uint32_t>(j), first.global + b.position_of(j / t_.segments)};
  }

  bool lies_together(bound_stage const& b, table::layer_row const& l, table::step const& s) const {
    auto const dense = [&](int id) {
      if (id < 0) return true;
      table::tensor const& x = b.table->tensors[static_cast<std::size_t>(id)];
      return x.elements.fixed == 0 && b.tensors[static_cast<std::size_t>(id)].stride == x.bytes(v_.microbatch_size);
    };
    bool all = b.lengths.empty() && t_.segments == 1 && dense(s.y) && dense(l.x) && dense(l.y);
    if (s.scratch >= 0) all = all && b.table->tensors[static_cast<std::size_t>(s.scratch)].elements.per_sample == 0;
    for (int id : l.entry)
      all = all && (id < 0 || b.table->tensors[static_cast<std::size_t>(id)].last < until::W || dense(id));
    return all;
  }

  /// Whether U reads the gradient as this unit's last W leaves it, and on the host: what W has written may then still lie in
  /// the cache, where the check that U makes costs less than from memory.
  bool sees_gradient(bound_stage const& b) const { return b.later == nullptr && b.others.empty() && b.lent.empty(); }
  /// Adds a layer's to what has been seen. Of a parameter that is tied to another of the stage more is to come.
  void see_gradient(bound_stage& b, table::layer_row const& l) const {
    for (int i = 0; i < l.parameters; ++i) {
      table::parameter_row const& p = b.table->parameters[static_cast<std::size_t>(l.first_parameter + i)];
      if (p.kind != table::ownership::trained) continue;
      if (p.home_stage >= 0) b.seen.parameters = -1;
      if (b.seen.parameters < 0) return;
      double const bound =
          t_.device.magnitude_bound(b.device, static_cast<std::size_t>(p.size), detail::in(b.g, t_.types.gradients, p));
      if (bound > b.seen.bound || std::isnan(bound)) b.seen.bound = bound;
      ++b.seen.parameters;
    }
  }

  void weight_steps(bound_stage& b, position p) const {
    b.seen = {};
    for (table::step const& s : b.table->backward_weight) {
      if (s.what != table::step::kind::layer) {
        move_tensors(b, b.tensors, s, p);
        continue;
      }
      table::layer_row const& l = b.table->layers[static_cast<std::size_t>(s.layer)];
      l.call.backward_weight(backward_call(b, l, s, p));
    }
  }

  /// Where the tensors of a microbatch lie, by number; null for -1.
  struct tensors_at {
    ring const* rings;
    std::uint32_t microbatch;

    void* operator()(int id) const { return id < 0 ? nullptr : rings[id].at(microbatch); }
  };
  static void* tensor(rings const& in, int id, position p) { return tensors_at{in.data(), p.microbatch}(id); }

  void forward_steps(bound_stage& b, rings const& in, weight_set w, position p, phase now) const {
    run_forward(
        *b.table, now, tensors_at{in.data(), p.microbatch}, [&](table::step const& s) { move_tensors(b, in, s, p); },
        [&](table::layer_row const& l, int layer) -> table::layer_call& { return call(b, l, layer, p); },
        [&](int parameter) { return forward_pointer(b, w, parameter, p.microbatch, now == phase::recompute); },
        [&](table::layer_row const& l) { return l.buffers > 0 && b.refused >= 0; });
  }

  /// The layer's call for a microbatch, as far as every op needs it. What another op has left in it is not read.
  table::layer_call& call(bound_stage& b, table::layer_row const& l, int layer, position p) const {
    table::layer_call& c = b.calls[static_cast<std::size_t>(layer)];
    if (!b.lengths.empty()) give_lengths(c, b, l, p.microbatch, v_.microbatch_size);
    if (t_.segments > 1) give_segment(c, t_, b, l, layer, p.microbatch);
    c.refused = b.later != nullptr && b.later->in_period() ? nullptr : &b.refused;
    std::uint64_t const first = first_sample(p);
    c.random.sample = first;
    if (c.first_sample != nullptr) {  // the op finds it in the unit's block
      b.later->bring_sample(b.device, first);
      c.first_sample = b.later->sample();
      c.random.sample = 0;
    }
    return c;
  }

  table::layer_call& backward_call(bound_stage& b, table::layer_row const& l, table::step const& s, position p) const {
    table::layer_call& c = call(b, l, s.layer, p);
    tensors_at const at{b.tensors.data(), p.microbatch};
    place_kept(c, s, at);
    c.phase = phase::train;
    c.dx = at(s.x);
    c.dy = at(s.y);
    for (int i = 0; i < l.reads; ++i) {
      c.read[i] = at(s.kept.read[i]);
      c.read_gradient[i] = at(s.read_gradient[i]);
    }
    return c;
  }

  void move_tensors(bound_stage& b, rings const& in, table::step const& s, position p) const {
    lengths_of_axes const lengths = b.lengths_of(p.microbatch);
    tensor_moves{t_, b.device, v_.microbatch_size, lengths}.run(
        *b.table, s, {tensor(in, s.x, p), tensor(in, s.other, p), tensor(in, s.y, p)});
  }

  /// Its ordinal in the run.
  std::uint64_t first_sample(position p) const {
    return static_cast<std::uint64_t>(p.global) * static_cast<std::uint64_t>(v_.microbatch_size);
  }
  void bring_sample(bound_stage& b, position p) const { b.later->bring_sample(b.device, first_sample(p)); }

  loss::loss_result apply_loss(bound_stage& b, position p) const {
    table::loss_call c;
    c.device = b.device;
    c.loss = t_.loss_value;
    lengths_of_axes const n = b.lengths_of(p.microbatch);
    c.in = at_length(b.table->output, n);
    c.samples = samples_at(b.table->output, n, v_.microbatch_size);
    c.x = tensor(b.forward_tensors, b.table->output_tensor, p);
    c.targets = load_targets(b, p);
    c.phase = t_.phases.back().inference ? phase::evaluate : phase::train;
    c.divide = divide(b, p);
    if (!b.forward_only) c.dx = tensor(b.tensors, b.table->loss_gradient_tensor, p);
    if (!gives_loss_later(b)) return t_.loss.apply(c);
    t_.loss.apply_later(c, b.later->loss_room());
    return {};
  }
};

}  // namespace foal::executor
