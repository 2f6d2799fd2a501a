// PipeDream-2BW (Narayanan et al., ICML 2021): two versions of the weights, and a delay of one update everywhere.
#pragma once

#include <string>

#include <foal/policy/versions/concept.hpp>

namespace foal::versions {

/// F, R and B of minibatch k read version k - 1: w(k + 1) = w(k) - step(gradient at w(k - 1)), at every stage. Beside the
/// newest version one more is kept. It is there where no stage is more than one update late: d_0 <= N, which the program's
/// proof asks for.
struct double_buffered {
  using role = foal::role::versions;
  static constexpr char const* name = "double_buffered";
  static constexpr int copies = 1;
  static constexpr bool proved_at_construction = true;

  static constexpr schedule::version_read read(schedule::version_table const& there, int stage, int j) {
    int const before = there.consumer(stage, j) - 1;
    return {before, before, before};
  }

  static std::string explain(schedule::version_verdict const& bad, schedule::version_table const& there) {
    auto const stage = static_cast<std::size_t>(bad.stage);
    if (there.updates[stage] > 1)
      return sentence("cannot train with two versions of the weights (versions::double_buffered) and ", there.updates[stage],
                      " updates in a minibatch, because every version must be one update old, and at stage ", bad.stage,
                      " the newest there is ", there.forward_lag(bad.stage, bad.microbatch),
                      " updates old, which is > 1; update after more microbatches, or use versions::stash");
    int delay = 0;
    for (int j = 0; j < there.microbatches; ++j) delay += there.forward_lag(bad.stage, j);
    return sentence("cannot train with two versions of the weights (versions::double_buffered) and ", there.microbatches,
                    " microbatches in a minibatch, because every version must be one update old, which needs d_", bad.stage,
                    " <= N, and the schedule's delay at stage ", bad.stage, " is ", delay, " > ", there.microbatches,
                    "; give .microbatches of ", delay, " or more, or use versions::stash");
  }
};

}  // namespace foal::versions
