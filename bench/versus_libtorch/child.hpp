// A measurement in a process of its own: forked, with what it measured sent back, and its peak of resident memory.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <foal/core/error.hpp>

namespace bench::versus {

/// A line of /proc/self/status in MiB: VmRSS (resident now), VmHWM (its peak).
inline double status_mib(std::string const& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(key + ":", 0) == 0) return std::stod(line.substr(key.size() + 1)) / 1024;
  throw foal::error(foal::sentence("cannot read ", key, " from /proc/self/status, because it has no such line; use Linux"));
}

/// Runs f, which gives a vector of numbers, in a forked process and gives the vector. Call it before the process has
/// threads. Throws foal::error when the child failed; its own sentence is on stderr.
template <class F>
std::vector<double> in_child(F f) {
  int ends[2];
  foal::require(pipe(ends) == 0,
                "cannot measure in a child process, because the system gives no pipe; close other programs");
  std::fflush(stdout);
  pid_t const child = fork();
  foal::require(child >= 0, "cannot measure in a child process, because fork failed; close other programs");
  if (child == 0) {
    int status = 0;
    try {
      std::vector<double> const found = f();
      auto const bytes = static_cast<ssize_t>(found.size() * sizeof(double));
      if (write(ends[1], found.data(), static_cast<std::size_t>(bytes)) != bytes) status = 1;
    } catch (std::exception const& e) {
      std::fprintf(stderr, "%s\n", e.what());
      status = 1;
    }
    std::fflush(stdout);
    _exit(status);
  }
  close(ends[1]);
  std::vector<double> found;
  std::array<char, sizeof(double)> bytes;
  for (std::size_t have = 0;;) {
    ssize_t const got = read(ends[0], bytes.data() + have, bytes.size() - have);
    if (got <= 0) break;
    if ((have += static_cast<std::size_t>(got)) < bytes.size()) continue;
    found.push_back(std::bit_cast<double>(bytes));
    have = 0;
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  foal::require(status == 0, "cannot go on, because a measurement ended with status ", WEXITSTATUS(status),
                " instead of 0; its reason stands above");
  return found;
}

/// MiB by which f raised the peak of resident memory over what the process had before; to be called in a child.
template <class F>
double peak_mib(F f) {
  double const before = status_mib("VmRSS");
  f();
  return status_mib("VmHWM") - before;
}

}  // namespace bench::versus
