// XPipe (Guan, Yin, Li, Lu, arXiv 1911.04610, 2019): microbatches of a minibatch read one prediction, a whole number of
// Adam's steps ahead.
#pragma once

#include <cmath>

#include <foal/policy/delay/concept.hpp>
#include <foal/policy/delay/direction.hpp>
#include <foal/policy/delay/spectrain.hpp>

namespace foal::delay {

/// Reads w - s rate d, d being the optimizer's direction (Adam's, or momentum's): at rank r of D with N microbatches in F
/// s = round((D + N - floor(r / 2) - 2) / N), in B s = round((N + floor(r / 2) - 1) / N). Needs the delays of async_1f1b
/// with a rank for each stage; fits() throws elsewhere. The weights of now are those of each microbatch's own op, where the
/// authors take those of the minibatch's first. Memory: none beside the rooms for what F and B read.
template <class Direction = direction::of_adam>
struct xpipe {
  using role = foal::role::delay;
  static constexpr char const* name = "XPipe";
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
  void fits(stage_view const& at) const { detail::require_1f1b(name, at); }

  template <class S>
  auto forward_weight(moment m) const {
    return ahead<S>(m, m.stages + m.microbatches - m.stage / 2 - 2);
  }
  template <class S>
  auto backward_weight(moment m) const {
    return ahead<S>(m, m.microbatches + m.stage / 2 - 1);
  }

 private:
  template <class S>
  auto ahead(moment const& m, int microbatches) const {
    double const steps = std::round(static_cast<double>(microbatches) / m.microbatches);
    return direction::predict<S>(direction, steps * m.rate, m.updates);
  }
};

}  // namespace foal::delay
