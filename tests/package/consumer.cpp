// A program of somebody else's: includes foal by its public path and uses it.
#include <cstdio>
#include <foal/core/config.hpp>
#include <foal/schedule/program.hpp>

int main() {
  int const rank = foal::schedule::contiguous_rank({.stages = 4, .ranks = 2, .microbatches = 1}, 3);
  std::printf("foal %d.%d.%d: stage 3 is on rank %d\n", FOAL_VERSION_MAJOR, FOAL_VERSION_MINOR, FOAL_VERSION_PATCH, rank);
  return rank == 1 ? 0 : 1;
}
