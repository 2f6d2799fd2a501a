// What becomes of a minibatch where a run goes on with other replicas than its checkpoint was made by.
#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include <foal/core/error.hpp>
#include <foal/report/fingerprint.hpp>

namespace foal::checkpoint {

/// A sentence for a run that goes on with its weights and states alone, of the two fingerprints; empty where both have as
/// many replicas. Replicas that are lost leave their microbatches to the others, as .microbatches counts those of all
/// (Varuna: Athlur et al., EuroSys 2022), unless it is given anew.
inline std::string replica_note(report::fingerprint const& now, report::fingerprint const& then) {
  // What a file says may be anything.
  auto const number = [](report::fingerprint const& of, std::string_view name) {
    int found = 1;
    for (auto const& [item, text] : of.items)
      if (item == name) std::from_chars(text.data(), text.data() + text.size(), found);
    return static_cast<long long>(std::max(1, found));
  };
  long long const d = number(now, "replicas"), d_then = number(then, "replicas");
  if (d == d_then) return {};
  long long const n = number(now, "microbatches"), n_then = number(then, "microbatches"),
                  samples = n * number(now, "microbatch_size"), samples_then = n_then * number(then, "microbatch_size");
  return sentence(d, " replicas go on where ", d_then, " were: ",
                  samples == samples_then ? sentence("a minibatch keeps its ", samples, " samples, of which each has ",
                                                     n / d, " microbatches in place of ", n_then / d_then)
                                          : sentence("a minibatch has ", samples, " samples in place of ", samples_then,
                                                     ", and each replica ", n / d, " microbatches of it in place of ",
                                                     n_then / d_then, "; learning rates are as they were"));
}

}  // namespace foal::checkpoint
