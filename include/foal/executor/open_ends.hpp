// The channels of a phase of which another process has the other end.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include <foal/executor/drive.hpp>
#include <foal/executor/memory.hpp>
#include <foal/schedule/shares.hpp>
#include <foal/transport/open_end.hpp>

namespace foal::executor {

/// In the order of their ids, which is the same in the other process. Needs memory in the phase (enter_phase), with channels
/// that hold nothing.
inline std::vector<transport::open_end> open_ends(run_memory& memory, schedule::program_view v, long long minibatches) {
  using transport::channel_kind;
  std::map<transport::channel_id, std::vector<int>> messages;  // in the order of the senders' lists
  schedule::dependencies const rule(v);
  schedule::shares const shares(v);
  std::map<std::pair<int, int>, schedule::edge> sends;  // by kind and unit
  auto const one = [](schedule::op_kind k) {
    return static_cast<int>(k == schedule::op_kind::BW ? schedule::op_kind::B : k);
  };
  for (schedule::op const& o : v.ops)
    rule.for_each_crossing_input(o, [&](schedule::input const& in) {
      if (in.via != schedule::edge::norm && in.via != schedule::edge::sum)
        sends[{one(in.kind), unit_of(v.size, in.stage, in.replica)}] = in.via;
    });
  for (int r = 0; r < v.size.ranks; ++r)
    for (schedule::op const& o : v.rank(r)) {
      auto const found = sends.find({one(o.kind), unit_of(v.size, o.stage, o.replica)});
      if (found == sends.end()) continue;
      int const own = shares.own(o);
      if (found->second == schedule::edge::activation)
        messages[{o.stage + 1, o.replica, channel_kind::activation}].push_back(own);
      if (found->second == schedule::edge::rebuilt) messages[{o.stage + 1, o.replica, channel_kind::rebuilt}].push_back(own);
      if (found->second == schedule::edge::gradient) messages[{o.stage, o.replica, channel_kind::gradient}].push_back(own);
    }
  std::vector<transport::open_end> ends;
  for (auto const& [id, body] : messages) {
    auto const unit = static_cast<std::size_t>(unit_of(v.size, id.wire, id.replica));
    bound_stage &below = memory.stages()[unit - 1], &above = memory.stages()[unit];
    bool const here_below = below.worker >= 0, here_above = above.worker >= 0;
    if (here_below == here_above) continue;
    bool const up = id.kind != channel_kind::gradient;
    transport::outbox& out = id.kind == channel_kind::activation ? below.wire_out
                             : up                                ? below.again_out
                                                                 : above.gradient_out;
    transport::inbox& in = id.kind == channel_kind::activation ? above.wire_in : up ? above.again_in : below.gradient_in;
    transport::open_end end{
        id,  up ? here_below : here_above, in,
        out, memory.entries(id),           {body, shares.of(id.replica), minibatches * shares.of(id.replica)}};
    ends.push_back(std::move(end));
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

}  // namespace foal::executor
