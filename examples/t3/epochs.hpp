// How many of a run's epochs T3 trains synchronously, in programs that train for whole epochs.
#pragma once

#include <cstdio>

#include <foal/core/error.hpp>

namespace t3 {

/// What was `asked` for, or the `usual` number where that is below 0. One epoch at least is to be asynchronous: throws
/// foal::error, naming `option`, where too many were asked for; lowers the usual number, and says so on stderr.
inline int epochs(int asked, int usual, int all, char const* option) {
  foal::require(asked < all, "cannot warm up for ", asked, " epochs, because the run has ", all,
                ", and T3 would leave none of them to train asynchronously; give ", option, " of at most ", all - 1,
                ", or more --epochs");
  if (asked >= 0) return asked;
  if (usual < all) return usual;
  std::fprintf(stderr,
               "T3 warms up for %d epochs instead of %d, because the run has %d and the last is to be asynchronous\n",
               all - 1, usual, all);
  return all - 1;
}

}  // namespace t3
