// Vector instructions: those that a file was compiled for, those that the processor has, and what to do where it has wider
// ones.
#pragma once

#include <foal/core/error.hpp>

#include <string>

namespace foal::report {

/// What kernels over vectors differ by, from narrow to wide. `fma` is AVX2 with fused multiply-adds.
enum class instructions { other, sse2, avx, avx2, fma, avx512 };

constexpr char const* name(instructions set) {
  constexpr char const* names[] = {"other instructions", "SSE2", "AVX", "AVX2 without FMA", "AVX2 with FMA", "AVX-512"};
  return names[static_cast<int>(set)];
}

// Of internal linkage: files of one program may be compiled with different flags.
/// Those that the file that includes this was compiled for.
[[maybe_unused]] static constexpr instructions instructions_of_this_file() {
#if defined(__AVX512F__)
  return instructions::avx512;
#elif defined(__AVX2__) && defined(__FMA__)
  return instructions::fma;
#elif defined(__AVX2__)
  return instructions::avx2;
#elif defined(__AVX__)
  return instructions::avx;
#elif defined(__SSE2__)
  return instructions::sse2;
#else
  return instructions::other;
#endif
}

/// The widest that this processor has and the system lets programs use.
inline instructions instructions_of_this_machine() {
#if defined(__x86_64__) || defined(__i386__)
  if (__builtin_cpu_supports("avx512f")) return instructions::avx512;
  if (__builtin_cpu_supports("avx2")) return __builtin_cpu_supports("fma") ? instructions::fma : instructions::avx2;
  if (__builtin_cpu_supports("avx")) return instructions::avx;
  if (__builtin_cpu_supports("sse2")) return instructions::sse2;
#endif
  return instructions::other;
}

/// A sentence where the processor has wider instructions than were compiled for, else nothing. They are chosen as a program
/// is compiled, since equal bits are promised for a build.
inline std::string warning_of_instructions(instructions compiled, instructions machine) {
  if (compiled >= machine || compiled == instructions::other) return {};
  return sentence("the kernels cannot use this processor's ", name(machine), ", because they were compiled for ",
                  name(compiled), "; compile with -march=native where the program is to run",
                  compiled < instructions::fma ? ", which makes it several times as fast" : "");
}

}  // namespace foal::report
