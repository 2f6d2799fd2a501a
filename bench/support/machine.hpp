// Where a figure was measured: processor, its vector extensions, compiler and what it was told.
#pragma once

#include <fstream>
#include <string>
#include <thread>

namespace bench {

/// The first value of a key of /proc/cpuinfo, or "unknown".
inline std::string cpu_info(std::string const& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) != 0) continue;
    auto const colon = line.find(':');
    return colon == std::string::npos || colon + 2 > line.size() ? "unknown" : line.substr(colon + 2);
  }
  return "unknown";
}

/// The vector extensions of x86 that decide how fast products are, as far as the processor has them.
inline std::string cpu_flags() {
  std::string all(1, ' ');
  all.append(cpu_info("flags")).append(1, ' ');
  std::string found;
  for (std::string const name : {"avx2", "fma", "avx512f", "avx512_bf16", "amx_tile"})
    if (all.find(" " + name + " ") != std::string::npos) found += (found.empty() ? "" : " ") + name;
  return found.empty() ? "none" : found;
}

/// The compiler, and the widest vectors it was allowed to use.
inline std::string compiler() {
#if defined(__clang__)
  std::string name = std::string("clang ") + __clang_version__;
#else
  std::string name = std::string("g++ ") + __VERSION__;
#endif
#if defined(__AVX512F__)
  name += ", AVX-512";
#elif defined(__AVX2__)
  name += ", AVX2";
#elif defined(__AVX__)
  name += ", AVX";
#endif
#if !defined(__OPTIMIZE__)
  name += ", not optimised";
#endif
  return name;
}

/// "AMD EPYC 9354 (avx2 fma avx512f), 2 CPUs; g++ 12.2.0, AVX-512"
inline std::string machine() {
  return cpu_info("model name") + " (" + cpu_flags() + "), " + std::to_string(std::thread::hardware_concurrency()) +
         " CPUs; " + compiler();
}

}  // namespace bench
