// What comes before the asynchronous phase.
#pragma once

#include <concepts>

#include <foal/core/error.hpp>
#include <foal/core/role.hpp>
#include <foal/schedule/rules/synchronous_phase.hpp>

namespace foal::warmup {

/// A policy that begins a run with another program: it has `minibatches`, how many that trains, and
/// schedule::program program(schedule::program_view main) const, which makes it from the main one. It is synchronous, and
/// has the same stages, each on its rank. May have static constexpr char const* phase, a name for it. Momentum, optimizer
/// state and the update count survive the switch; then the pipeline starts empty.
template <class P>
concept has_program = requires(P const p, schedule::program_view main) {
  { p.minibatches } -> std::convertible_to<long long>;
  { p.program(main) } -> std::same_as<schedule::program>;
};

struct none {
  using role = foal::role::warmup;
  static constexpr char const* name = "none";
};

/// T3, PipeMare's synchronous warm-up: the first minibatches of a run on one_f_one_b with flush, on the same stages.
struct synchronous {
  using role = foal::role::warmup;
  static constexpr char const* name = "T3";
  static constexpr char const* phase = "synchronous warm-up";
  long long minibatches = 0;

  constexpr schedule::program program(schedule::program_view main) const { return schedule::synchronous_phase(main); }
  template <class F>
  constexpr void numbers(F&& f) const {
    f("minibatches", minibatches);
  }
  void check() const {
    require_number(minibatches >= 0, name, "minibatches", static_cast<double>(minibatches), "0 or more");
  }
};

}  // namespace foal::warmup
