// A planner's findings in sentences.
#pragma once

#include <string>

#include <foal/schedule/cost/plan_problem.hpp>
#include <foal/schedule/cost/plan_result.hpp>

namespace foal::schedule {

/// "one_f_one_b, 8 microbatches of 2 samples, 1 chunk on each of 4 ranks, 1 replica".
inline std::string configuration_of(plan_choice const& c, plan_problem const& p) {
  return sentence(c.name, ", ", c.microbatches, c.microbatches == 1 ? " microbatch of " : " microbatches of ",
                  p.minibatch / c.microbatches, p.minibatch == c.microbatches ? " sample, " : " samples, ", c.chunks,
                  c.chunks == 1 ? " chunk on each of " : " chunks on each of ", c.ranks,
                  c.ranks == 1 ? " rank, " : " ranks, ", c.replicas, c.replicas == 1 ? " replica" : " replicas",
                  c.recomputed ? ", recomputed" : "");
}

/// Why a choice takes the time that it does: what the rank waits for that is idle least, and how full memory is.
inline std::string reason_of(plan_choice const& c, plan_problem const& p) {
  int const b = c.busiest();
  idle_time const idle = c.idle[static_cast<std::size_t>(b)];
  double const part = c.time > 0 ? 100 * idle.sum() / c.time : 0;
  std::string out = sentence("a minibatch takes ", c.time, c.long_run ? " in the long run" : "", "; rank ", b);
  if (part < 1)
    out += sentence(" is always at work, so its work is what limits");
  else
    out += sentence(" works most and is idle for ", part, " % of it, ", idle.fill + idle.drain,
                    " before its first and after its last op and ", idle.waiting, " between, waiting for other ranks");
  std::size_t fullest = 0;
  for (std::size_t r = 1; r < c.bytes.size(); ++r)
    if (c.bytes[r] > c.bytes[fullest]) fullest = r;
  out += sentence("; rank ", fullest, " holds most, ", c.bytes[fullest], " bytes");
  if (p.memory < std::numeric_limits<double>::max()) out += sentence(" of ", p.memory);
  return out;
}

/// "gpipe: 3 configurations would hold 12 bytes or more on a rank, which may hold 8".
inline std::string text(plan_refusal const& r, plan_problem const& p) {
  std::string const head = sentence(r.name, ": ", r.count, r.count == 1 ? " configuration" : " configurations");
  if (r.why == refusal::memory)
    return head + sentence(" would hold ", r.bytes, " bytes or more on a rank, which may hold ", p.memory);
  if (r.why == refusal::too_few_items)
    return head + sentence(" would have ", r.stages, " stages or more of ", p.items.size(),
                           p.items.size() == 1 ? " item" : " items");
  return head + (r.count == 1 ? ": " : ", one of them: ") + r.says.front();
}

/// How much has been looked at.
inline std::string searched(plan_result const& found) {
  return sentence(found.configurations, " configurations with ", found.groupings, " groupings; ",
                  found.all_groupings ? "all that there are"
                                      : "of the groupings of some, which are too many, those around the most even ones");
}

/// Throws the sentence that nothing is possible, and what would be, where there is no best choice.
inline void require_plan(plan_result const& found, plan_problem const& p) {
  if (found.best) return;
  double const least = found.least_bytes();
  if (least >= 0)
    throw error(sentence("cannot plan ", p.items.size(), " items on ", p.ranks, " ranks, because a rank may hold ", p.memory,
                         " bytes and whatever was tried needs more; give it ", least,
                         ", with which one does, more ranks, or a smaller minibatch"));
  throw error(sentence("cannot plan ", p.items.size(), " items on ", p.ranks, " ranks, because no schedule can run: ",
                       found.refused.empty() ? std::string("there is none to choose from") : text(found.refused[0], p),
                       "; give fewer ranks, more items or other schedules"));
}

}  // namespace foal::schedule
