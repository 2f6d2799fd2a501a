// Proofs of a schedule's programs by the compiler, for the shapes of a model.
#pragma once

#include <type_traits>

#include <foal/lower/checks.hpp>
#include <foal/schedule/generate.hpp>

namespace foal::lower {

/// A program that the compiler can make is proved by the compiler.
template <class Schedule, int S, int R, int N>
constexpr schedule::verdict proof() {
  schedule::program p = schedule::generate(Schedule{}, schedule::extent{S, R, N});
  return schedule::prove(p.view());
}
template <class Schedule, int S, int R, int N>
concept provable = requires { typename std::integral_constant<bool, (proof<Schedule, S, R, N>(), true)>; };

template <class Schedule, int S, int R, int N, bool Wanted>
struct proved {};
template <class Schedule, int S, int R, int N>
  requires provable<Schedule, S, R, N>
struct proved<Schedule, S, R, N, true> : proved_sound<Schedule, proof<Schedule, S, R, N>()> {};

template <class Schedule>
constexpr int default_ranks(int stages) {
  if constexpr (requires { requires Schedule::one_rank; })
    return 1;
  else
    return stages;
}

}  // namespace foal::lower
