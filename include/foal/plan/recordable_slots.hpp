// How many slots a ring has whose addresses are to come again soon.
#pragma once

#include <numeric>

#include <foal/core/config.hpp>

namespace foal::executor {

/// After so many periods of `share` microbatches each, microbatch m of a period has the slot again that it had.
constexpr int periods_of_ring(int slots, int share) { return slots / std::gcd(slots, share); }

/// At least `needed`: where periods are recorded, as many as divide the microbatches of a period, or 1, 2, 4, ... times
/// these. So rings have their slots again together, after the most of 1, 2, 4, ... periods of any. Needs both above 0 or
/// needed 0.
constexpr int recordable_slots(int share, int needed) {
  if (needed == 0) return 0;
  int slots = needed;
  if (slots <= share) {
    while (share % slots != 0) ++slots;
    return slots;
  }
  for (slots = share; slots < needed;) slots *= 2;
  return slots;
}

}  // namespace foal::executor
