#include "processes.hpp"

#include <cstdio>

options::processes::processes(int& argc, char**& argv) : session_(begin_processes(argc, argv)) {
  if (!first() && std::freopen("/dev/null", "w", stdout) == nullptr)
    throw foal::error(
        "cannot keep the output of this process apart from the first one's, because /dev/null cannot be opened; "
        "make it accessible");
}
