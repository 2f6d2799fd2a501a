// Elementwise loops and whole-array reductions on the host.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include <foal/core/registers.hpp>

namespace foal::device::host_ops {

/// Elementwise map and reductions. n counts elements.
struct map_ops {
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed"  // a functor that cannot be vectorised is no fault
#endif
  /// Calls f(p[i]...) for i in [0, n). The arrays are the same or do not overlap: no iteration may depend on another. A
  /// functor that takes registers is called with a register of neighbours while there are as many; what it changes is given
  /// to it once.
  template <class F, class... Ps>
  [[gnu::noinline]] static void map(std::size_t n, F f, Ps*... p) {
    std::size_t i = 0;
#if !defined(__CUDACC__)
    if constexpr (takes_registers<F>) i = in_registers(n, f, std::index_sequence_for<Ps...>{}, p...);
#endif
      // That independence is stated to the compiler, so the loop vectorises without run-time overlap tests for every pair of
      // arrays. Inlined, clang would report a loop that it leaves scalar at a caller's line, where nothing silences it.
#if defined(__clang__)
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
    for (; i < n; ++i) f(p[i]...);
  }
#if defined(__clang__)
#pragma clang diagnostic pop
#endif

  /// The sum of x[i]^2 in double, in eight interleaved partial sums (i mod 8) that are added in order.
  template <class S>
  static double sum_of_squares(std::size_t n, S const* x) {
    double lane[8] = {};
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
      for (std::size_t l = 0; l < 8; ++l) lane[l] += static_cast<double>(x[i + l]) * static_cast<double>(x[i + l]);
    }
    for (std::size_t l = 0; i < n; ++i, ++l) lane[l] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    double sum = 0;
    for (double const part : lane) sum += part;
    return sum;
  }

  /// to[k] = sum over i of add[k], where f(add, p[i]...) writes add[0] to add[N - 1]: in four interleaved partial sums
  /// (i mod 4) that are added in order.
  template <std::size_t N, class F, class... Ps>
  static void sums(std::size_t n, F const& f, double* to, Ps const*... p) {
    double lane[4][N] = {}, add[N];
    for (std::size_t i = 0; i < n; ++i) {
      f(add, p[i]...);
      for (std::size_t k = 0; k < N; ++k) lane[i % 4][k] += add[k];
    }
    for (std::size_t k = 0; k < N; ++k) to[k] = ((lane[0][k] + lane[1][k]) + lane[2][k]) + lane[3][k];
  }

  /// A number that no magnitude is above: their sum, which costs what all_finite() does. NaN only where an element is not
  /// finite, and nothing else there.
  template <class S>
  static double magnitude_bound(std::size_t n, S const* x) {
    // However it is rounded, a sum of magnitudes is not below any of them.
    double const sum = sum_in_any_order(n, x, [](S v) { return std::abs(v); });
    if (std::isfinite(sum)) return sum;
    using limits = std::numeric_limits<double>;
    return all_finite(n, x) ? static_cast<double>(std::numeric_limits<S>::max()) : limits::quiet_NaN();
  }

  /// Whether no element is infinite or NaN.
  template <class S>
  static bool all_finite(std::size_t n, S const* x) {
    // v - v is 0 for finite v and NaN otherwise; a sum of such terms is 0 exactly when all were finite.
    return sum_in_any_order(n, x, [](S v) { return v - v; }) == 0;
  }

 private:
#if !defined(__CUDACC__)
  /// f on whole registers; gives how many elements that were.
  template <class F, std::size_t... I, class... Ps>
  static std::size_t in_registers(std::size_t n, F const& f, std::index_sequence<I...>, Ps*... p) {
    using number = std::common_type_t<std::remove_const_t<Ps>...>;
    using several = register_of<number>;
    static_assert((std::is_same_v<std::remove_const_t<Ps>, number> && ...));
    constexpr std::size_t width = register_bytes / sizeof(number);
    std::size_t i = 0;
    for (; i + width <= n; i += width) {
      several x[sizeof...(Ps)];
      (std::memcpy(&x[I], p + i, sizeof(several)), ...);
      f(static_cast<std::conditional_t<std::is_const_v<Ps>, several const&, several&>>(x[I])...);
      (store(p + i, x[I]), ...);
    }
    return i;
  }
  template <class S, class V>
  static void store(S* to, V const& x) {
    if constexpr (!std::is_const_v<S>) std::memcpy(to, &x, sizeof x);
  }
#endif

  /// Of f(x[i]). An addition waits for the one before it in its lane: with 16 lanes a pass over what lies in the second
  /// cache took 1.25 times as long as that memory takes, with 32 it takes as long. Below that, as a small layer's, no lane
  /// is made.
  template <class S, class F>
  static double sum_in_any_order(std::size_t n, S const* x, F f) {
    constexpr std::size_t lanes = 32;
    double sum = 0;
    std::size_t i = 0;
    if (n >= lanes) {
      S lane[lanes] = {};
      for (; i + lanes <= n; i += lanes) {
        for (std::size_t l = 0; l < lanes; ++l) lane[l] += f(x[i + l]);
      }
      for (S const part : lane) sum += static_cast<double>(part);
    }
    for (; i < n; ++i) sum += static_cast<double>(f(x[i]));
    return sum;
  }
};

}  // namespace foal::device::host_ops
