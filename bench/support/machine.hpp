// Where a figure was measured: processor, its vector extensions, compiler and what it was told; and what a machine must
// have.
#pragma once

#include <foal/core/error.hpp>
#include <foal/report/build.hpp>
#include <fstream>
#include <string>
#include <thread>

namespace bench {

/// The vector extensions of x86 that decide how fast products are, as far as the processor has them.
inline std::string cpu_flags() {
  std::string found;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    line += ' ';
    for (std::string const name : {"avx2", "fma", "avx512f", "avx512_bf16", "amx_tile"})
      if (line.find(" " + name + " ") != std::string::npos) found += (found.empty() ? "" : " ") + name;
    break;
  }
  return found.empty() ? "none" : found;
}

/// "AMD EPYC 9354, 2 cores (avx2 fma avx512f); g++ 12.2.0, optimised, AVX-512, FMA, products contracted"
inline std::string machine() {
  return foal::report::this_machine() + " (" + cpu_flags() + "); " + foal::report::build_of_this_file();
}

/// Throws a sentence where there are not two CPUs for two workers.
inline void need_two_cpus() {
  foal::require(std::thread::hardware_concurrency() >= 2,
                "cannot measure two workers, because this machine has one CPU; use one with two");
}

}  // namespace bench
