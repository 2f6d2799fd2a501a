// PipeOptim (Guan, Li, Lu, arXiv 2312.00839): F reads the weights that its update will meet, by the optimizer's own step.
#pragma once

#include <foal/policy/delay/concept.hpp>
#include <foal/policy/delay/direction.hpp>

namespace foal::delay {

/// F reads w - s rate d, with s = tau_fwd (the paper's D - rank - 1 in 1F1B; the authors' program has one more) and d the
/// direction of the optimizer (Adam's by default); B reads w as it is. Memory: none beside the room for what F reads.
template <class Direction = direction::of_adam>
struct pipe_optim {
  using role = foal::role::delay;
  static constexpr char const* name = "PipeOptim";
  static constexpr int states = 0;
  static constexpr int sees_optimizer_states = Direction::states;
  static constexpr scope states_of = scope::all;
  Direction direction{};

  template <class F>
  constexpr void numbers(F&& f) const {
    f("direction", direction);
  }
  static constexpr void bound(double, double, double*) {}
  void check() const { direction.check(); }

  template <class S>
  auto forward_weight(moment m) const {
    return direction::predict<S>(direction, m.tau_fwd * m.rate, m.updates);
  }
};

}  // namespace foal::delay
