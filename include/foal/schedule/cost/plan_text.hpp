// A planner's findings in sentences.
#pragma once

#include <cmath>
#include <string>

#include <foal/schedule/cost/plan_problem.hpp>
#include <foal/schedule/cost/plan_result.hpp>

namespace foal::schedule {

/// "one_f_one_b, 8 microbatches of 2 samples, 1 chunk on each of 4 ranks, 1 replica".
inline std::string configuration_of(plan_choice const& c, plan_problem const& p) {
  return sentence(c.name, ", ", c.microbatches, c.microbatches == 1 ? " microbatch of " : " microbatches of ",
                  p.minibatch / c.microbatches, p.minibatch == c.microbatches ? " sample, " : " samples, ", c.chunks,
                  c.chunks == 1 ? " chunk on each of " : " chunks on each of ", c.ranks,
                  c.ranks == 1 ? " rank, " : " ranks, ", c.copies, c.copies == 1 ? " replica" : " replicas",
                  c.copies > c.replicas ? " on the same ranks" : "", c.recomputed ? ", recomputed" : "");
}

/// "0 | 1-3 | 4": the items of every stage.
inline std::string ranges_of(std::vector<int> const& group) {
  std::string out;
  for (std::size_t first = 0, i = 0; i < group.size(); ++i) {
    if (i + 1 < group.size() && group[i + 1] == group[first]) continue;
    out += sentence(first > 0 ? " | " : "", first, first < i ? "-" : "");
    if (first < i) out += sentence(i);
    first = i + 1;
  }
  return out;
}

/// "5.3 %", to a tenth.
inline std::string percent(double part) { return sentence(std::round(1000 * part) / 10, " %"); }

/// Why a choice takes the time that it does: what the rank waits for that is idle least, and how full memory is.
inline std::string reason_of(plan_choice const& c, plan_problem const& p) {
  int const b = c.busiest();
  idle_time const idle = c.idle[static_cast<std::size_t>(b)];
  double const part = c.time > 0 ? idle.sum() / c.time : 0, ends = idle.fill + idle.drain;
  std::string out = sentence("a minibatch takes ", c.time, c.long_run ? " in the long run" : "", "; rank ", b);
  if (part < 0.01)
    out += sentence(" is always at work, so its work is what limits");
  else
    out += sentence(" works most, and is idle for ", percent(part), " of it");
  if (part >= 0.01 && ends > 0) out += sentence(", ", ends, " before its first and after its last op");
  if (part >= 0.01 && idle.waiting > 0) out += sentence(", ", idle.waiting, " between ops");
  if (part >= 0.01 && c.wait.length > 0) out += sentence(", the longest ", c.wait.length, ": ", text(c.wait));
  if (c.ranks == 1 && c.replicas > 1) out += "; each rank has the whole model, and schedules differ in memory alone";
  std::size_t fullest = 0;
  for (std::size_t r = 1; r < c.bytes.size(); ++r)
    if (c.bytes[r] > c.bytes[fullest]) fullest = r;
  out += sentence("; rank ", fullest, " holds most, ", c.bytes[fullest], " bytes");
  if (p.memory < std::numeric_limits<double>::max()) out += sentence(" of ", p.memory);
  if (c.copies > 1 && p.latency <= 0 && !(p.bandwidth < std::numeric_limits<double>::max()))
    out += "; what replicas sum takes no time here, for messages take none";
  return out;
}

/// "8.1 % slower", or as fast with more memory.
inline std::string beside(plan_choice const& c, plan_choice const& best) {
  double const more = best.time > 0 ? c.time / best.time - 1 : 0;
  if (more >= 0.0005) return percent(more) + " slower";
  return sentence("as fast, holds ", c.most_bytes(), " bytes where the best holds ", best.most_bytes());
}

/// "gpipe: 3 configurations would hold 12 bytes or more on a rank, which may hold 8".
inline std::string text(plan_refusal const& r, plan_problem const& p) {
  std::string const head = sentence(r.name, ": ", r.count, r.count == 1 ? " configuration" : " configurations");
  if (r.why == refusal::memory)
    return head + sentence(" would hold ", r.bytes, " bytes or more on a rank, which may hold ", p.memory);
  if (r.why == refusal::too_few_items)
    return head + sentence(" would have ", r.stages, " stages or more, but there ",
                           p.items.size() == 1 ? "is only " : "are only ", p.items.size(),
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
