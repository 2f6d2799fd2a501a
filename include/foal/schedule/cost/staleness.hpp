// What a rule of versions makes of a program: how old the weights are that each stage reads, and how many it keeps.
#pragma once

#include <foal/schedule/proof/versions.hpp>

namespace foal::schedule {

/// Of one stage. Ages are counted in updates of the stage: those between the version that an op reads and the one that the
/// gradient of its microbatch changes, a mean over a minibatch.
struct staleness {
  int versions = 1;                  ///< of its weights that it has at a time, at most: the newest one and those kept
  double forward = 0, backward = 0;  ///< v_U - v_F, and v_U - v_B

  constexpr bool operator==(staleness const&) const = default;
};

/// By stage, for what a rule has its ops read; a stage without an update has one version, which is never old.
constexpr std::vector<staleness> staleness_of(version_table const& there, version_reads const& reads) {
  std::vector<staleness> all(there.updates.size());
  int const n = there.microbatches;
  for (int s = 0; s < there.stages(); ++s) {
    auto const i = static_cast<std::size_t>(s);
    if (there.updates[i] == 0) continue;
    int forward = 0, backward = 0;
    for (int j = 0; j < n; ++j) {
      forward += there.consumer(s, j) - reads.at(s, j).forward;
      backward += there.consumer(s, j) - reads.at(s, j).backward;
    }
    all[i] = {1 + reads.kept[i].copies, static_cast<double>(forward) / n, static_cast<double>(backward) / n};
  }
  return all;
}

/// The same for a program and a rule of versions: `read` as foal::versions::rule has it, and own_versions. Throws
/// foal::error with the proof's sentence where the program does not run, and with the rule's where a version is not there
/// when it is read.
template <class Rule>
constexpr std::vector<staleness> staleness_of(program_view v, Rule const& rule) {
  version_table const there = versions(v);
  version_reads const reads = reads_of(rule, there);
  require_versions(rule, there, reads);
  return staleness_of(there, reads);
}

}  // namespace foal::schedule
