// The channels of a phase of which another process has the other end.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include <foal/executor/channel_ends.hpp>
#include <foal/executor/gradient_norm.hpp>
#include <foal/executor/memory.hpp>
#include <foal/schedule/shares.hpp>
#include <foal/transport/contract.hpp>
#include <foal/transport/open_end.hpp>

namespace foal::executor {

/// A channel whose other end a process hosts.
struct open_channel {
  transport::open_end end;
  int process = 0;
};

namespace detail {

/// The entries of a wire, as they lie here, and beside them the lengths of its microbatches.
inline std::vector<transport::entry_slots> slots_of(run_memory const& memory, transport::channel_id id) {
  std::vector<transport::entry_slots> all;
  memory.for_each_entry(id, [&](ring const& r, std::size_t bytes, bool on_host) {
    all.push_back({r.base, r.stride, bytes, r.count, r.places, on_host});
  });
  return all;
}

}  // namespace detail

/// Of tied weights whose home and borrower two processes have, where one is here. first: number of the first of them; the
/// same in every process. Where a phase begins, version 0 sets out.
inline std::vector<open_channel> tied_channels(run_memory& memory, long long minibatches, int first) {
  std::vector<open_channel> all;
  int loan = 0;
  for (bound_stage& b : memory.stages())
    for (std::size_t i = 0; i < b.lent.size(); ++i, ++loan) {
      tied_channel const& c = b.lent[i].channel;
      if (c.ends == nullptr) continue;
      bound_stage const& other = borrower_of(memory.stages(), b, b.table->loans[i]);
      bool const home = b.worker >= 0;
      long long const size = detail::row_of(b, b.lent[i].parameter).size;
      auto const open = [&](transport::channel_kind kind, ring const& r, std::size_t bytes, long long count) {
        bool const weights = kind == transport::channel_kind::tied_weights;
        transport::channel& x = weights ? c.ends->weights : c.ends->gradients;
        transport::open_end end{.id = {loan, b.replica, kind},
                                .number = first + 2 * loan + (weights ? 0 : 1),
                                .sends = home == weights,
                                .out = weights ? c.ends->weights_in : c.ends->gradients_in,
                                .in = weights ? c.ends->weights_out : c.ends->gradients_out,
                                .entries = {{r.base, r.stride, bytes, r.count}},
                                .order = {{0}, 1, count},
                                .queue = memory.queues().messages()};
        // What the last U makes is nobody's in this phase, and stays.
        end.begun = static_cast<std::uint32_t>(std::min<long long>(x.produced.value.load(), count));
        if (weights && home && end.begun == 0) x.produced.value = 1;
        all.push_back({std::move(end), elsewhere(std::min(b.worker, other.worker))});
      };
      table::element_types const& types = memory.tables().types;
      open(transport::channel_kind::tied_weights, c.versions, bytes_of(types.weights, size), c.still ? 1 : minibatches);
      if (!c.still) open(transport::channel_kind::tied_gradients, c.gradients, bytes_of(types.gradients, size), minibatches);
    }
  return all;
}

/// Those of wires in the order of their ids, which is the same in the other process, then those of tied weights. Needs
/// memory in the phase (enter_phase), with channels that hold nothing, or what they held where the phase was paused: no
/// message is on its way then.
inline std::vector<open_channel> open_channels(run_memory& memory, schedule::program_view v, long long minibatches) {
  std::vector<open_channel> all;
  if (memory.whole()) return all;
  struct path {
    int from = 0, to = 0;   // units
    std::vector<int> body;  // in the order of the sender's list
  };
  std::map<transport::channel_id, path> messages;
  op_ends const rule(v);
  schedule::shares const shares(v);
  for (int r = 0; r < v.size.ranks; ++r)
    for (schedule::op const& o : v.rank(r))
      if (auto const& sent = rule.output(o)) {
        path& p = messages[sent->id()];
        p.from = unit_of(v.size, sent->from, sent->replica);
        p.to = unit_of(v.size, sent->to, sent->replica);
        p.body.push_back(shares.own(o));
      }
  int number = -1;
  for (auto const& [id, p] : messages) {
    ++number;
    bound_stage &from = memory.stages()[static_cast<std::size_t>(p.from)],
                &to = memory.stages()[static_cast<std::size_t>(p.to)];
    if ((from.worker >= 0) == (to.worker >= 0)) continue;
    int const share = shares.passes(id.replica);
    transport::inbox const out = ends_of(to, id.kind).in;
    all.push_back({{.id = id,
                    .number = number,
                    .sends = from.worker >= 0,
                    .out = out,
                    .in = ends_of(from, id.kind).out,
                    .entries = detail::slots_of(memory, id),
                    .order = {p.body, share, minibatches * share},
                    .begun = out.through->produced.value.load(),
                    .queue = memory.queues().messages()},
                   elsewhere(std::min(from.worker, to.worker))});
  }
  for (open_channel& c : tied_channels(memory, minibatches, number + 1)) all.push_back(std::move(c));
  return all;
}

/// The same without the processes of the other ends.
inline std::vector<transport::open_end> open_ends(run_memory& memory, schedule::program_view v, long long minibatches) {
  std::vector<transport::open_end> ends;
  for (open_channel& c : open_channels(memory, v, minibatches)) ends.push_back(std::move(c.end));
  return ends;
}

/// Those of the global norm: each unit's part goes to every other process that hosts some of its replica. Numbers are below
/// units * processes.
inline std::vector<open_channel> norm_channels(run_memory const& memory, gradient_norm& norm, transport::process_place here,
                                               long long minibatches) {
  std::vector<open_channel> all;
  auto const process_of = [here](bound_stage const& b) { return b.worker >= 0 ? here.number : elsewhere(b.worker); };
  for (bound_stage const& b : memory.stages()) {
    if (b.input_gradient_only || b.forward_only) continue;
    int const from = process_of(b);
    std::vector<bool> reads(static_cast<std::size_t>(here.count), false);
    for (bound_stage const& other : memory.stages())
      if (other.replica == b.replica) reads[static_cast<std::size_t>(process_of(other))] = true;
    for (int to = 0; to < here.count; ++to) {
      bool const sends = from == here.number;
      if (from == to || !reads[static_cast<std::size_t>(to)] || (!sends && to != here.number)) continue;
      all.push_back({norm.open(static_cast<std::size_t>(b.unit), sends, minibatches), sends ? to : from});
      all.back().end.number = b.unit * here.count + to;
    }
  }
  return all;
}

}  // namespace foal::executor
