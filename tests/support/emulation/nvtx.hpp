// What a tool has heard of NVTX's ranges.
#pragma once

#include <string>
#include <vector>

namespace foal::test::emulation {

struct heard_range {
  std::string domain, name;
  long long payload = 0;
  int depth = 0;  ///< ranges of its thread that were open when it began
};
/// The ranges that have ended since the last call, in that order. Reports those that are open.
std::vector<heard_range> take_ranges();

}  // namespace foal::test::emulation
