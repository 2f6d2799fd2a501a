// What foal needs of the compiler, and its only macros: the version, and the host/device mark that lets one functor serve
// both.
//
// Every header of foal begins with this one, so that a program that cannot be compiled is refused in one sentence, and not
// in a thousand that follow from it: the include of a file that does not exist is what stops a compiler.
#pragma once

#if __cplusplus < 202002L
#error \
    "foal cannot be compiled as this C++, because it is older than C++20; compile with -std=c++20 (g++ 12, clang 16 or later)"
#include "foal cannot be compiled like this: see the error above"
#elif !defined(__cpp_exceptions)
#error \
    "foal cannot be compiled with -fno-exceptions, because its errors are exceptions of type foal::error; leave the flag out"
#include "foal cannot be compiled like this: see the error above"
#elif defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ != 0)
#error \
    "foal cannot be compiled with -ffast-math, -Ofast or -ffinite-math-only, because the compiler then removes every check \
for numbers that are not finite, and a diverged run would pass for a good one; compile with -O3 and without these flags"
#include "foal cannot be compiled like this: see the error above"
#endif

#define FOAL_VERSION_MAJOR 0
#define FOAL_VERSION_MINOR 1
#define FOAL_VERSION_PATCH 0

#if defined(__CUDACC__)
#define FOAL_HOST_DEVICE __host__ __device__
#else
#define FOAL_HOST_DEVICE
#endif

namespace foal {

/// Every buffer of an arena starts at a multiple of this many bytes, so that results do not depend on addresses.
inline constexpr int alignment = 64;

}  // namespace foal
