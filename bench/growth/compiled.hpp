// A size that is a type: a unit of its own, compiled and run by this program, with what the compiler took.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <foal/core/error.hpp>

#include "cost.hpp"

namespace bench::growth {

struct compiled_cost {
  double seconds = 0, bytes = 0;  ///< of a processor, and the most memory that the compiler had at once
  cost run;
};

/// What a process and its children took. Throws foal::error unless it ends with status 0.
inline rusage taken_by(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& w : words) arguments.push_back(w.data());
  arguments.push_back(nullptr);
  std::fflush(stdout);
  pid_t const child = fork();
  foal::require(child >= 0, "cannot run ", words[0], ", because fork failed; close other programs");
  if (child == 0) {
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  rusage took{};
  wait4(child, &status, 0, &took);
  foal::require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "cannot go on, because ", words[0], " ended with status ",
                status, " instead of 0; its reason stands above, or it is not installed");
  return took;
}

/// Compiles, with -O2, and runs a unit that measures `net`, "deep<4>", with N microbatches. `root`: foal's folder.
inline compiled_cost compiled(std::string const& compiler, std::filesystem::path const& root, std::string const& net,
                              int microbatches, int rounds) {
  namespace fs = std::filesystem;
  fs::path const place = fs::temp_directory_path() / ("foal-growth-" + std::to_string(getpid()));
  fs::create_directories(place);
  struct removed {
    fs::path const& of;
    ~removed() {
      std::error_code ignored;
      fs::remove_all(of, ignored);
    }
  } const at_end{place};
  std::ofstream(place / "unit.cpp") << "#include \"" << (root / "bench/growth/run.hpp").string()
                                    << "\"\nint main() { bench::growth::print(bench::growth::measured<bench::growth::" << net
                                    << ">(0, " << microbatches << ", " << rounds << ")); }\n";
  setenv("CCACHE_DISABLE", "1", 1);  // it would answer from memory
  std::string const program = (place / "unit").string();
  rusage const took = taken_by({compiler, "-std=c++20", "-O2", "-I" + (root / "include").string(), "-isystem",
                                "/usr/include/eigen3", (place / "unit.cpp").string(), "-pthread", "-o", program});
  auto const seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  compiled_cost c{seconds(took.ru_utime) + seconds(took.ru_stime), 1024.0 * static_cast<double>(took.ru_maxrss), {}};
  std::string const figures = (place / "figures").string();
  taken_by({"sh", "-c", program + " > " + figures});
  std::ifstream(figures) >> c.run.construction >> c.run.arena >> c.run.sample >> c.run.op;
  return c;
}

}  // namespace bench::growth
