// What a fuzz target asserts.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace foal_fuzz {

/// Ends the process, and so is a finding, unless it holds.
inline void must(bool holds, char const* what = "a property does not hold") {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace foal_fuzz
