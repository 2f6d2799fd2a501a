// What stages take and hold that are groups of a model's items.
#pragma once

#include <vector>

#include <foal/schedule/cost/plan_problem.hpp>
#include <foal/schedule/cost/planned_bytes.hpp>

namespace foal::schedule {

/// In how many ways items can be grouped into stages; one more than `most` where there are more than that.
constexpr long long grouping_count(int items, int stages, int most) {
  long long count = 1;  // (items - 1 over stages - 1), from its smaller side, on which it only rises
  for (int i = 1; i < stages && i <= items - stages; ++i) {
    count = count * (items - i) / i;
    if (count > most) return most + 1LL;
  }
  return count;
}

/// Of every stage, for ops of so many samples and replicas which sum their gradients. `group`: by item, its stage.
constexpr std::vector<stage_times> times_of(plan_problem const& p, std::vector<int> const& group, int stages, double samples,
                                            int replicas) {
  std::vector<stage_times> all(static_cast<std::size_t>(stages),
                               {p.overhead, p.overhead, p.overhead, p.overhead, p.overhead, 0, 0, 0});
  for (std::size_t i = 0; i < p.items.size(); ++i) {
    plan_item const& x = p.items[i];
    stage_times& t = all[static_cast<std::size_t>(group[i])];
    t.forward += x.forward * samples, t.recompute += x.forward * samples;
    t.backward += x.backward * samples, t.weight += x.weight * samples;
    t.together += (x.backward + x.weight) * samples;
    t.update += x.update;
    t.message = p.latency + x.wire * samples / p.bandwidth;  // the last item of the stage stays
    // A sum in parts, which go round: all but one of them is sent, and comes back summed.
    if (replicas > 1) t.sum += 2.0 * (replicas - 1) / replicas * x.weights / p.bandwidth;
  }
  if (replicas > 1)
    for (stage_times& t : all) t.sum += 2 * p.latency;
  return all;
}

/// Of stages that all take the same.
constexpr std::vector<stage_times> mean_times_of(plan_problem const& p, int stages, double samples) {
  stage_times one = times_of(p, std::vector<int>(p.items.size(), 0), 1, samples / stages, 1)[0];
  one.message = p.latency;
  return std::vector<stage_times>(static_cast<std::size_t>(stages), one);
}

/// For ranks that do nothing else while they send: the op that made a message takes the time of its bytes as well.
constexpr void send_by_ops(plan_problem const& p, program_view v, std::vector<stage_times>& times) {
  std::vector<int> const rank = ranks_of(v);
  for (std::size_t s = 0; s + 1 < times.size(); ++s) {
    double const bytes = times[s].message - p.latency;
    times[s].message = p.latency;
    if (rank[s] == rank[s + 1]) continue;
    times[s].forward += bytes;
    times[s + 1].backward += bytes, times[s + 1].together += bytes;
  }
}

/// The same of bytes. `versions`: by stage, how many of its weights there are.
constexpr std::vector<stage_bytes> bytes_of(plan_problem const& p, std::vector<int> const& group,
                                            std::vector<int> const& versions, double samples) {
  std::vector<stage_bytes> all(versions.size(), stage_bytes{});
  for (std::size_t i = 0; i < p.items.size(); ++i) {
    plan_item const& x = p.items[i];
    auto const s = static_cast<std::size_t>(group[i]);
    stage_bytes& b = all[s];
    b.always += x.weights * versions[s] + x.state;
    b.saved += x.saved * samples;
    if (i == 0) b.input = p.input * samples;
    if (i > 0 && group[i - 1] != group[i]) b.input = p.items[i - 1].wire * samples;
  }
  return all;
}

}  // namespace foal::schedule
