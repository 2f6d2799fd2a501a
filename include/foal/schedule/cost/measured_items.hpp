// Costs for the planner from the trace of a short run.
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include <foal/report/trace.hpp>
#include <foal/schedule/cost/plan_problem.hpp>

namespace foal::schedule {

/// The stages of a traced run as items: per stage the medians of its F, backward, W and U in seconds, per sample where the
/// op has samples. Where microbatches are of different lengths, give how many a minibatch has: the median is that of whole
/// minibatches then, which is what a plan is for, and not that of an op. segments: of a microbatch, whose ops are added.
/// Where a run has BW alone its time is given half to
/// B and half to W, whose sum is what BW takes. Bytes are 0, for a trace does not know them. The run should have a worker by
/// itself (the single thread), whatever its schedule, so that ops do not disturb each other, and some minibatches, for the
/// first is slower.
///
/// Needs spans of F and a backward of every stage, and at least one sample in a microbatch; throws a sentence otherwise.
inline std::vector<plan_item> measured_items(std::span<report::span const> spans, int stages, int samples,
                                             int microbatches = 1, int segments = 1) {
  if (stages < 1 || samples < 1 || microbatches < 1 || segments < 1)
    throw error(sentence("cannot measure ", stages, " stages with microbatches of ", samples, " samples, ", microbatches,
                         " in a minibatch, in ", segments,
                         " segments, because there is nothing to measure; give 1 or more of each"));
  std::vector<plan_item> all;
  for (int s = 0; s < stages; ++s) {
    auto const median = [&](std::string_view kind, int ops, int parts = 1) {
      struct sum {
        int count = 0;
        long long took = 0;
      };
      std::map<long long, sum> of_minibatch;
      for (report::span const& x : spans) {
        if (x.stage != s || x.kind != kind) continue;
        // With one op each: all of them, whatever their numbers are.
        sum& m = of_minibatch[ops * parts == 1 ? static_cast<long long>(of_minibatch.size()) : x.microbatch / ops];
        ++m.count, m.took += x.end_ns - x.begin_ns;
      }
      std::vector<long long> took;
      for (auto const& [number, m] : of_minibatch)
        if (m.count == ops * parts) took.push_back(m.took);
      if (took.empty()) return -1.0;
      auto const middle = took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2);
      std::nth_element(took.begin(), middle, took.end());
      return static_cast<double>(*middle) * 1e-9 / ops;
    };
    auto const of = [&](std::string_view kind) { return median(kind, microbatches, segments); };
    double const forward = of("F"), together = of("BW"), backward = of("B"), weight = of("W");
    if (forward < 0 || (together < 0 && backward < 0))
      throw error(sentence(
          "cannot measure stage ", s, " of ", stages, ", because the trace has no ", forward < 0 ? "forward" : "backward",
          " of it, in a whole minibatch; trace a run that trains all of them, on one worker, in a buffer that "
          "is large enough"));
    plan_item item{.forward = forward / samples, .backward = 0, .weight = 0};
    item.backward = backward >= 0 ? backward / samples : together / samples / 2;
    item.weight = weight >= 0 ? weight / samples : backward >= 0 ? 0 : together / samples / 2;
    item.update = std::max(0.0, median("U", 1));
    all.push_back(item);
  }
  return all;
}

}  // namespace foal::schedule
