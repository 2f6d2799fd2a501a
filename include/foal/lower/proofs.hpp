// Proofs of a schedule's programs by the compiler, for the shapes of a model.
#pragma once

#include <type_traits>

#include <foal/lower/checks.hpp>
#include <foal/schedule/generate.hpp>

namespace foal::lower {

/// A program that the compiler can make is proved by the compiler.
template <class Schedule, int S, int R, int N>
constexpr schedule::verdict proof() {
  schedule::program p = schedule::generate(Schedule{}, schedule::extent_of(Schedule{}, S, R, N));
  return schedule::prove(p.view());
}
template <class Schedule, int S, int R, int N>
concept provable = !schedule::proved_later<Schedule> &&
                   requires { typename std::integral_constant<bool, (proof<Schedule, S, R, N>(), true)>; };

template <class Schedule, int S, int R, int N, bool Wanted>
struct proved {};
template <class Schedule, int S, int R, int N>
  requires provable<Schedule, S, R, N>
struct proved<Schedule, S, R, N, true> : proved_sound<Schedule, proof<Schedule, S, R, N>()> {};

template <class Schedule>
constexpr int default_ranks(int stages) {
  return schedule::ranks_for<Schedule>(stages);
}

template <class Schedule, class Versions, int S, int R, int N>
constexpr schedule::version_verdict versions_proof() {
  schedule::program p = schedule::generate(Schedule{}, schedule::extent_of(Schedule{}, S, R, N));
  schedule::version_table const there = schedule::versions(p.view());
  return schedule::prove_versions(there, schedule::reads_of(Versions{}, there), schedule::most_copies<Versions>());
}

// The arguments name what is wrong, and where. Versions are counted from the number k of the op's minibatch.
template <class Schedule, class Versions, schedule::version_flaw What, schedule::op_kind Op, int Stage, int Microbatch,
          int Asked, int Newest>
struct version_is_there {
  static_assert(
      What == schedule::version_flaw::none,
      "foal: cannot train with these Versions on this Schedule, because Op (of Stage, and of the Microbatch at that "
      "position "
      "of minibatch k) reads version k + Asked, which is newer than the newest there, k + Newest, or older than those that "
      "are kept; have it read one that is there");
};
template <class Schedule, class Versions, schedule::version_verdict V>
struct versions_are_there : version_is_there<Schedule, Versions, V.what, V.kind, V.stage, V.microbatch, V.asked, V.newest> {
};

/// The versions that a rule reads, proved by the compiler where the rule's type says them and the schedule is provable.
template <class Schedule, class Versions, int S, int R, int N, bool Wanted>
struct proved_versions {};
template <class Schedule, class Versions, int S, int R, int N>
  requires(versions::asks_the_compiler<Versions> && provable<Schedule, S, R, N> && bool(proof<Schedule, S, R, N>()))
struct proved_versions<Schedule, Versions, S, R, N, true>
    : versions_are_there<Schedule, Versions, versions_proof<Schedule, Versions, S, R, N>()> {};

}  // namespace foal::lower
