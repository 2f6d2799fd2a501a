// What a worker waits for, and sends on, where weights are tied to a stage that another process has.
#pragma once

#include <algorithm>

#include <foal/executor/part_sums.hpp>
#include <foal/executor/tied_ends.hpp>
#include <foal/executor/worker_ops.hpp>

namespace foal::executor {

/// In one process the wires between home and borrower say that a version, or a gradient, is there. Between processes each
/// comes over a channel of its own, of which the wires say nothing: so who reads one waits for it. It has been sent before
/// the op's own input was, and there is always room for it, so nobody waits for ever.
class worker_tied : public worker_sums {
 protected:
  worker_tied(phase_state& shared, schedule::program_view v, int number) : worker_sums(shared, v, number), shared_(shared) {}

  /// Of an op with worker_op::tied: whether the versions and gradients that it reads are here, and the slots that it fills
  /// have left.
  bool tied_ready(worker_op const& e, std::uint32_t m) const {
    using schedule::op_kind;
    bound_stage& b = *e.unit;
    if (e.kind == op_kind::F || e.kind == op_kind::R || schedule::is_backward(e.kind))
      for (borrowed_parameter const& q : b.borrowed)
        if (q.channel.ends != nullptr && !version_here(b, q.channel, e.kind, m)) return false;
    if (schedule::is_backward(e.kind) && returns_after(b, b.messages.gradient_out + 1))
      for (borrowed_parameter const& q : b.borrowed)
        if (moves(q.channel) && !q.channel.ends->gradients_out.room(m / static_cast<std::uint32_t>(b.facts.share)))
          return false;
    if (collects(e, m))
      for (lent_parameter const& q : b.lent)
        if (moves(q.channel) && !q.channel.ends->gradients_in.arrived(b.version)) return false;
    if (updates(e))
      for (lent_parameter const& q : b.lent)
        if (moves(q.channel) && !q.channel.ends->weights_out.room(b.version + 1)) return false;
    return true;
  }
  /// After it.
  void send_tied(worker_op const& e) const {
    bound_stage const& b = *e.unit;
    if (e.kind == schedule::op_kind::U)
      for (lent_parameter const& q : b.lent)
        if (moves(q.channel)) q.channel.ends->weights_out.send(b.version + 1);
    if (schedule::is_backward(e.kind) && returns_after(b, b.messages.gradient_out))
      for (borrowed_parameter const& q : b.borrowed)
        if (moves(q.channel)) q.channel.ends->gradients_out.send(returned_sums(b));
  }

 private:
  static bool moves(tied_channel const& c) { return c.ends != nullptr && !c.still; }
  /// With so many B, all that it has added up of a minibatch goes home.
  static bool returns_after(bound_stage const& b, std::uint32_t backwards) {
    return backwards % static_cast<std::uint32_t>(b.facts.share) == 0;
  }
  static bool version_here(bound_stage const& b, tied_channel const& c, schedule::op_kind kind, std::uint32_t m) {
    std::uint32_t v = 0;
    if (kind == schedule::op_kind::F) {
      v = c.read_forward(m);
    } else {
      bool const again = kind == schedule::op_kind::R;
      if (c.still || !(again ? b.recompute_reads_home() : b.backward_reads_home())) return true;  // F has brought its copy
      v = c.home.at(m, again ? &schedule::version_read::recompute : &schedule::version_read::backward);
    }
    return c.ends->weights_in.arrived(v);
  }
  /// The op makes the next version.
  bool updates(worker_op const& e) const {
    bound_stage const& b = *e.unit;
    if (e.kind == schedule::op_kind::U) return !shared_.ops->takes_reference(b);
    return e.kind == schedule::op_kind::G && shared_.tables->replica.what == replica::exchanged::weights &&
           shared_.ops->exchanges_next(b);
  }
  /// The op adds what borrowers have returned to the unit's own gradient: the last W where that is for other units as well.
  bool collects(worker_op const& e, std::uint32_t m) const {
    bound_stage const& b = *e.unit;
    if (!shared_.gives || (!b.others.empty() && shared_.tables->replica.of_weights())) return updates(e);
    if (!schedule::adds_weight_gradient(e.kind)) return false;
    auto const share = static_cast<std::uint32_t>(b.facts.share);
    return shared_.tables->thick ? b.accumulated + 1 == b.facts.share
                                 : b.brings_through(passage::freed, m, share * (b.version + 1));
  }

  phase_state& shared_;
};

}  // namespace foal::executor
