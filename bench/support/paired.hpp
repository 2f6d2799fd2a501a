// Ratios that survive a shared machine: contenders take turns within one process, and each round gives one ratio.
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace bench {

inline double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds that a call takes.
template <class F>
double seconds_of(F&& f) {
  double const begin = now_seconds();
  f();
  return now_seconds() - begin;
}

/// Processor seconds of this process so far, all its threads together: what others do on the machine counts less.
inline double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Processor seconds that a call takes.
template <class F>
double cpu_seconds_of(F&& f) {
  double const begin = cpu_seconds();
  f();
  return cpu_seconds() - begin;
}

/// The value below which a share q of the values lies, between neighbours by interpolation. Needs at least one value.
inline double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  double const at = q * static_cast<double>(values.size() - 1);
  auto const below = static_cast<std::size_t>(at);
  std::size_t const above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

/// Median and quartiles.
struct spread {
  double median = 0, low = 0, high = 0;
};
inline spread spread_of(std::vector<double> const& values) {
  return {quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75)};
}

/// a / b, round by round: the two were measured one right after the other, so what slowed one slowed the other.
inline spread ratio_of(std::vector<double> const& a, std::vector<double> const& b) {
  std::vector<double> ratios(std::min(a.size(), b.size()));
  for (std::size_t i = 0; i < ratios.size(); ++i) ratios[i] = a[i] / b[i];
  return spread_of(ratios);
}
inline spread difference_of(std::vector<double> const& a, std::vector<double> const& b) {
  std::vector<double> differences(std::min(a.size(), b.size()));
  for (std::size_t i = 0; i < differences.size(); ++i) differences[i] = a[i] - b[i];
  return spread_of(differences);
}

/// Runs the contenders in turn, first once unmeasured, then `rounds` times, every other round in reverse order. Each is a
/// function that gives its own measure (seconds, say). Gives the measures: [contender][round].
template <class... Fs>
std::vector<std::vector<double>> take_turns(int rounds, Fs&&... contenders) {
  constexpr std::size_t count = sizeof...(Fs);
  std::vector<std::vector<double>> measures(count);
  auto const run = [&](std::size_t which, bool keep) {
    std::size_t i = 0;
    auto const maybe = [&](auto&& f) {
      if (i++ != which) return;
      double const measure = f();
      if (keep) measures[which].push_back(measure);
    };
    (maybe(contenders), ...);
  };
  for (std::size_t i = 0; i < count; ++i) run(i, false);
  for (int r = 0; r < rounds; ++r)
    for (std::size_t i = 0; i < count; ++i) run(r % 2 == 0 ? i : count - 1 - i, true);
  return measures;
}

}  // namespace bench
