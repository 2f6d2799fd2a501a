// A program of somebody else's: includes foal by its public path, trains a small net asynchronously and sees it learn.
#include <cstdio>

#include "net.hpp"

int main() {
  std::printf("foal %d.%d.%d\n", FOAL_VERSION_MAJOR, FOAL_VERSION_MINOR, FOAL_VERSION_PATCH);
  return learns() ? 0 : 1;
}
