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
  memory.for_each_entry(id, [&](ring const& r, std::size_t bytes) { all.push_back({r.base, r.stride, bytes, r.count}); });
  return all;
}

}  // namespace detail

/// In the order of their ids, which is the same in the other process. Needs memory in the phase (enter_phase), with channels
/// that hold nothing, or what they held where the phase was paused: no message is on its way then.
inline std::vector<transport::open_end> open_ends(run_memory& memory, schedule::program_view v, long long minibatches) {
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
  std::vector<transport::open_end> ends;
  int number = -1;
  for (auto const& [id, p] : messages) {
    ++number;
    bound_stage &from = memory.stages()[static_cast<std::size_t>(p.from)],
                &to = memory.stages()[static_cast<std::size_t>(p.to)];
    if ((from.worker >= 0) == (to.worker >= 0)) continue;
    int const share = shares.of(id.replica);
    transport::inbox const out = ends_of(to, id.kind).in;
    ends.push_back({.id = id,
                    .number = number,
                    .sends = from.worker >= 0,
                    .out = out,
                    .in = ends_of(from, id.kind).out,
                    .entries = detail::slots_of(memory, id),
                    .order = {p.body, share, minibatches * share},
                    .begun = out.through->produced.value.load()});
  }
  return ends;
}

/// The same with the processes of the other ends.
inline std::vector<open_channel> open_channels(run_memory& memory, schedule::program_view v, long long minibatches) {
  std::vector<open_channel> all;
  if (memory.whole()) return all;
  for (transport::open_end& end : open_ends(memory, v, minibatches)) {
    auto const unit = static_cast<std::size_t>(unit_of(v.size, end.id.wire, end.id.replica));
    int const below = memory.stages()[unit - 1].worker, above = memory.stages()[unit].worker;
    all.push_back({std::move(end), elsewhere(std::min(below, above))});
  }
  return all;
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
