// What a program was made with and runs on: of what equal bits depend on, the part that a program can know of itself.
#pragma once

#include <fstream>
#include <string>
#include <thread>

#include <foal/core/utf8.hpp>
#include <foal/report/number.hpp>

namespace foal::report {

// Of internal linkage: files of one program may be compiled with different flags, and each tells of its own.

/// True if the compiler made one rounded operation of a product and a sum.
[[maybe_unused]] static bool contracts_products() {
  double const volatile factor = 1 + 0x1p-30;
  double const x = factor, rounded = 1 + 0x1p-29;  // x * x is 2^-60 more
  return x * x - rounded != 0;
}

/// "g++ 12.2.0, optimised, AVX2, FMA, products contracted": of the file that includes this. It enters no
/// result; fingerprints have it, because bits are equal for a given build.
[[maybe_unused]] static std::string build_of_this_file() {
#ifdef __clang__
  std::string text =
      "clang++ " + shortest(__clang_major__) + "." + shortest(__clang_minor__) + "." + shortest(__clang_patchlevel__);
#else
  std::string text = "g++ " + shortest(__GNUC__) + "." + shortest(__GNUC_MINOR__) + "." + shortest(__GNUC_PATCHLEVEL__);
#endif
#ifdef __OPTIMIZE__
  text += ", optimised";
#else
  text += ", not optimised";
#endif
#if defined(__AVX512F__)
  text += ", AVX-512";
#elif defined(__AVX2__)
  text += ", AVX2";
#elif defined(__AVX__)
  text += ", AVX";
#elif defined(__SSE4_2__)
  text += ", SSE4.2";
#elif defined(__SSE2__)
  text += ", SSE2";
#elif defined(__ARM_FEATURE_SVE)
  text += ", SVE";
#elif defined(__ARM_NEON)
  text += ", NEON";
#endif
#ifdef __FMA__
  text += ", FMA";
#endif
  text += contracts_products() ? ", products contracted" : ", products not contracted";
  return text;
}

/// "AMD EPYC 7763 64-Core Processor, 2 cores": the processor's name where the system tells it, and the hardware threads that
/// this process may use.
inline std::string this_machine() {
  std::string text = "a processor without a name", line;
  for (std::ifstream info("/proc/cpuinfo"); std::getline(info, line);) {
    std::size_t const colon = line.find(": ");
    if (!line.starts_with("model name") || colon == std::string::npos) continue;
    text = printable(line.substr(colon + 2));
    break;
  }
  unsigned const cores = std::thread::hardware_concurrency();
  if (cores > 0) text += ", " + shortest(cores) + (cores == 1 ? " core" : " cores");
  return text;
}

}  // namespace foal::report
