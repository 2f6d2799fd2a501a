// The channels of a phase of which another process has the other end.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include <foal/executor/drive.hpp>
#include <foal/executor/memory.hpp>
#include <foal/schedule/edges.hpp>
#include <foal/transport/open_end.hpp>

namespace foal::executor {

/// In the order of their ids, which is the same in the other process. Needs memory in the phase (enter_phase), with channels
/// that hold nothing.
inline std::vector<transport::open_end> open_ends(run_memory& memory, schedule::program_view v, long long minibatches) {
  using transport::channel_kind;
  std::map<transport::channel_id, std::vector<int>> messages;  // in the order of the senders' lists
  schedule::dependencies const rule(v);
  std::map<std::pair<int, int>, schedule::edge> sends;  // by kind and stage
  auto const one = [](schedule::op_kind k) {
    return static_cast<int>(k == schedule::op_kind::BW ? schedule::op_kind::B : k);
  };
  for (schedule::op const& o : v.ops)
    rule.for_each_crossing_input(o, [&](schedule::input const& in) { sends[{one(in.kind), in.stage}] = in.via; });
  for (int r = 0; r < v.size.ranks; ++r)
    for (schedule::op const& o : v.rank(r)) {
      auto const found = sends.find({one(o.kind), o.stage});
      if (found == sends.end()) continue;
      if (found->second == schedule::edge::activation)
        messages[{o.stage + 1, 0, channel_kind::activation}].push_back(o.microbatch);
      if (found->second == schedule::edge::rebuilt)
        messages[{o.stage + 1, 0, channel_kind::rebuilt}].push_back(o.microbatch);
      if (found->second == schedule::edge::gradient) messages[{o.stage, 0, channel_kind::gradient}].push_back(o.microbatch);
    }
  std::vector<transport::open_end> ends;
  for (auto const& [id, body] : messages) {
    bound_stage &below = memory.stages()[static_cast<std::size_t>(id.wire) - 1],
                &above = memory.stages()[static_cast<std::size_t>(id.wire)];
    bool const here_below = below.worker >= 0, here_above = above.worker >= 0;
    if (here_below == here_above) continue;
    bool const up = id.kind != channel_kind::gradient;
    transport::outbox& out = id.kind == channel_kind::activation ? below.wire_out
                             : up                                ? below.again_out
                                                                 : above.gradient_out;
    transport::inbox& in = id.kind == channel_kind::activation ? above.wire_in : up ? above.again_in : below.gradient_in;
    transport::open_end end{
        id,  up ? here_below : here_above, in,
        out, memory.entries(id),           {body, v.size.microbatches, minibatches * v.size.microbatches}};
    ends.push_back(std::move(end));
  }
  return ends;
}

/// The same with the processes of the other ends.
inline std::vector<open_channel> open_channels(run_memory& memory, schedule::program_view v, long long minibatches) {
  std::vector<open_channel> all;
  if (memory.whole()) return all;
  for (transport::open_end& end : open_ends(memory, v, minibatches)) {
    int const below = memory.stages()[static_cast<std::size_t>(end.id.wire) - 1].worker,
              above = memory.stages()[static_cast<std::size_t>(end.id.wire)].worker;
    all.push_back({std::move(end), elsewhere(std::min(below, above))});
  }
  return all;
}

}  // namespace foal::executor
