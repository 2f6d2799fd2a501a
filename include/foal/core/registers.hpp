// Several numbers in one register of the processor, as the compiler's vectors: for functors that can do with them what they
// do with one.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__) && !defined(__CUDACC__)
#include <immintrin.h>
#endif

#include <foal/core/config.hpp>

namespace foal {

/// Bytes of the widest register that this file is compiled for.
#if defined(__AVX512F__)
inline constexpr std::size_t register_bytes = 64;
#elif defined(__AVX__)
inline constexpr std::size_t register_bytes = 32;
#else
inline constexpr std::size_t register_bytes = 16;
#endif

#if !defined(__CUDACC__)  // nvcc's own parser need not know these vectors
namespace detail {

template <class S>
struct wide_register {
  typedef S type [[gnu::vector_size(register_bytes)]];
};

}  // namespace detail

/// As many S as a register has: arithmetic is by element, also with a single S.
template <class S>
using register_of = typename detail::wide_register<S>::type;
#endif

/// A functor of one element says static constexpr bool in_registers = true where its operator() takes registers in place of
/// numbers, too, and does the same to each element. A device may then call it so (the host's map), with each array that it
/// changes once among the arguments. It is for those that a compiler does not vectorise, as one with a square root: that may
/// set errno.
template <class F>
concept takes_registers = requires { requires F::in_registers; };

/// The square root of a number, or of each in a register.
template <class T>
FOAL_HOST_DEVICE T square_root(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    using std::sqrt;
    return sqrt(x);
  } else {
    using number = std::remove_cvref_t<decltype(x[0])>;
#if defined(__AVX512F__) && !defined(__CUDACC__)
    // Of all lanes, but with zeros behind them: of the plain form g++ 12 says that it reads what is not initialised.
    if constexpr (sizeof(T) == 64 && std::is_same_v<number, float>) return _mm512_maskz_sqrt_ps(0xFFFF, x);
    if constexpr (sizeof(T) == 64 && std::is_same_v<number, double>) return _mm512_maskz_sqrt_pd(0xFF, x);
#endif
#if defined(__AVX__) && !defined(__CUDACC__)
    if constexpr (sizeof(T) == 32 && std::is_same_v<number, float>) return _mm256_sqrt_ps(x);
    if constexpr (sizeof(T) == 32 && std::is_same_v<number, double>) return _mm256_sqrt_pd(x);
#endif
#if defined(__x86_64__) && !defined(__CUDACC__)
    if constexpr (sizeof(T) == 16 && std::is_same_v<number, float>) return _mm_sqrt_ps(x);
    if constexpr (sizeof(T) == 16 && std::is_same_v<number, double>) return _mm_sqrt_pd(x);
#endif
    for (std::size_t i = 0; i < sizeof(T) / sizeof(number); ++i) x[i] = std::sqrt(x[i]);
    return x;
  }
}

}  // namespace foal
