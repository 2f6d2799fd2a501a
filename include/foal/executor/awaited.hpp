// What a worker waits for, in words, and what has gone through the channels of a phase.
#pragma once

#include <string>
#include <vector>

#include <foal/executor/worker_ops.hpp>

namespace foal::executor {

namespace detail {

inline char const* name_of(transport::channel_kind kind) {
  switch (kind) {
    case transport::channel_kind::gradient:
      return "gradients";
    case transport::channel_kind::rebuilt:
      return "rebuilt activations";
    default:
      return "activations";
  }
}
inline std::string channel_name(transport::channel_kind kind, int wire, bound_stage const& unit) {
  std::string const of_wire = sentence(name_of(kind), " of wire ", wire);
  return unit.others.empty() ? of_wire : sentence(of_wire, ", replica ", unit.replica);
}
/// The channel of which an op of the unit has this end.
inline std::string channel_of_end(bound_stage const& unit, transport::inbox const* in) {
  using transport::channel_kind;
  if (in == &unit.gradient_in) return channel_name(channel_kind::gradient, unit.number + 1, unit);
  return channel_name(in == &unit.rebuilt_in ? channel_kind::rebuilt : channel_kind::activation, unit.number, unit);
}
inline std::string channel_of_end(bound_stage const& unit, transport::outbox const* out) {
  using transport::channel_kind;
  if (out == &unit.gradient_out) return channel_name(channel_kind::gradient, unit.number, unit);
  return channel_name(out == &unit.rebuilt_out ? channel_kind::rebuilt : channel_kind::activation, unit.number + 1, unit);
}

/// In the order in which worker::ready() asks.
[[gnu::cold]] inline std::string missing(phase_state const& shared, worker_op const& e, position p) {
  bound_stage const& b = *e.unit;
  if (!e.ends.arrived())
    return sentence("message ", *e.ends.taken + 1, " of the ", channel_of_end(b, e.ends.in), ", of which ",
                    e.ends.in->through->produced.value.load(), " have come");
  if (!e.ends.room(p.microbatch)) {
    transport::channel const& c = *e.ends.out->through;
    return sentence("room for microbatch ", p.microbatch, " among the ", channel_of_end(b, e.ends.out),
                    ", of which the receiver is through with those before ", c.read.value.load(),
                    " and has given back those before ", c.released.value.load());
  }
  if (e.kind == schedule::op_kind::F && b.number == 0) {
    long long const m = p.global - shared.first_microbatch;
    if (m >= shared.held.load()) return "the processes to agree on where the phase ends or pauses";
    if (m >= shared.admitted.load()) return "the evaluation before to end";
  }
  bool const updates = e.kind == schedule::op_kind::U;
  if (updates && shared.norm.used() && !shared.norm.complete(b.replica, b.version + 1))
    return "the other stages' parts of the gradient's norm";
  if ((updates || e.kind == schedule::op_kind::G) && !shared.ops->sums_there(*e.unit, e.kind))
    return "the sums of other replicas";
  if (shared.evaluate_every != 0 && shared.evaluations_done->load() < b.evaluations_copied)
    return "the copy of its weights, which an evaluation still reads";
  if (e.tied) return "a version, or a gradient, of weights that are tied to a stage of another process";
  return "what another stage sends";
}

/// Calls f(channel, name) for those between replicas and of tied weights. Of one within this process the receiver tells.
template <class F>
void for_each_channel_beside(bound_stage const& b, F f) {
  for (std::size_t i = 0; i < b.others.size(); ++i) {
    other_replica const& r = b.others[i];
    int const other = static_cast<int>(i) < b.replica ? static_cast<int>(i) : static_cast<int>(i) + 1;
    auto const name = [&](char const* what, int from, int to) {
      return sentence(what, " of stage ", b.number, ", replica ", from, " to ", to);
    };
    f(r.part_in.through, name("parts", other, b.replica));
    f(r.sum_in.through, name("sums", other, b.replica));
    if (!r.part_in.transit) continue;
    f(r.part_out.through, name("parts", b.replica, other));
    f(r.sum_out.through, name("sums", b.replica, other));
  }
  auto const tied = [&](auto const& q) {
    if (q.channel.ends == nullptr) return;
    std::string const of =
        sentence(b.table->parameters[static_cast<std::size_t>(q.parameter)].name, " of stage ", b.number, ", which is tied");
    f(&q.channel.ends->weights, "versions of " + of);
    f(&q.channel.ends->gradients, "gradients of " + of);
  };
  for (lent_parameter const& q : b.lent) tied(q);
  for (borrowed_parameter const& q : b.borrowed) tied(q);
}

}  // namespace detail

/// op(stage, microbatch of the run).
inline std::string text_of(worker_op const& e, long long microbatch) {
  std::string const op = sentence(schedule::name(e.kind), "(stage ", e.unit->number, ", microbatch ", microbatch);
  return e.unit->others.empty() ? op + ')' : sentence(op, ", replica ", e.unit->replica, ')');
}

/// What a blocked worker is before, and waits for. To be called by itself.
inline std::string awaited(phase_state const& shared, worker_op const& e, position p) {
  return sentence("waits before ", text_of(e, p.global), ", after ", e.unit->updates, " updates of its stage, for ",
                  detail::missing(shared, e, p));
}

/// A line for each channel of which one end is here. Any thread may ask.
inline std::vector<std::string> counts_of_channels(std::vector<bound_stage> const& units) {
  std::vector<std::string> all;
  auto const add = [&all](transport::channel const* c, std::string const& name) {
    if (c == nullptr) return;
    all.push_back(sentence(name, ": ", c->produced.value.load(), " sent, read before ", c->read.value.load(),
                           ", given back before ", c->released.value.load()));
  };
  for (bound_stage const& b : units) {
    if (b.worker < 0) continue;
    for (transport::inbox const* in : {&b.wire_in, &b.gradient_in, &b.rebuilt_in})
      add(in->through, detail::channel_of_end(b, in));
    for (transport::outbox const* out : {&b.wire_out, &b.gradient_out, &b.rebuilt_out}) {
      // Of a channel within this process the receiver has told already, or will.
      bool told = false;
      for (bound_stage const& other : units)
        for (transport::inbox const* in : {&other.wire_in, &other.gradient_in, &other.rebuilt_in})
          told = told || (other.worker >= 0 && in->through == out->through);
      if (!told) add(out->through, detail::channel_of_end(b, out));
    }
    detail::for_each_channel_beside(b, add);
  }
  return all;
}

}  // namespace foal::executor
