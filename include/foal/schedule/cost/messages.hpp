// What goes between ranks: messages and bytes of a minibatch, by channel.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/schedule/edges.hpp>

namespace foal::schedule {

/// What one rank sends to another over one kind of edge in a minibatch.
struct channel_use {
  int from = 0, to = 0;
  edge via = edge::activation;
  int messages = 0;
  double bytes = 0;

  constexpr bool operator==(channel_use const&) const = default;
};

/// Ordered by (from, to, via); a norm, which is summed over all ranks, is none of them. `bytes`: empty, or per stage those
/// of its output for a microbatch (a segment of one), which are also those of the gradient that comes back for it; sums
/// among replicas are counted as messages alone. Needs a program that prove() accepts.
constexpr std::vector<channel_use> channels_of(program_view v, std::span<double const> bytes = {}) {
  if (!bytes.empty() && bytes.size() != static_cast<std::size_t>(v.size.stages))
    throw error(sentence("cannot count bytes by ", bytes.size(), " sizes, because there are ", v.size.stages,
                         " stages; give one per stage, or none"));
  dependencies const rule(v);
  std::vector<int> const rank = ranks_of(v);
  std::vector<channel_use> all;
  for (int to = 0; to < v.size.ranks; ++to) {
    for (op const& o : v.rank(to)) {
      rule.for_each_crossing_input(o, [&](input const& in) {
        int const from = rank[static_cast<std::size_t>(unit_of(v.size, in.stage, in.replica))];
        if (from == to || in.via == edge::norm) return;
        auto const same = [&](channel_use const& c) { return c.from == from && c.to == to && c.via == in.via; };
        auto place = std::find_if(all.begin(), all.end(), same);
        if (place == all.end()) place = all.insert(all.end(), {from, to, in.via});
        ++place->messages;
        if (bytes.empty() || in.via == edge::sum) return;
        place->bytes += bytes[static_cast<std::size_t>(in.via == edge::gradient ? o.stage : in.stage)];
      });
    }
  }
  std::sort(all.begin(), all.end(), [](channel_use const& a, channel_use const& b) {
    if (a.from != b.from) return a.from < b.from;
    return a.to != b.to ? a.to < b.to : a.via < b.via;
  });
  return all;
}

/// Of a minibatch, over all channels.
constexpr channel_use total_of(std::vector<channel_use> const& channels) {
  channel_use all;
  for (channel_use const& c : channels) all.messages += c.messages, all.bytes += c.bytes;
  return all;
}

}  // namespace foal::schedule
