// SpecTrain (Chen, Yang, Cheng, arXiv 1809.02839, 2018): F and B read the weights at the end of their minibatch's way.
#pragma once

#include <cmath>

#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>
#include <foal/policy/delay/direction.hpp>

namespace foal::delay {

namespace detail {

/// Throws where a stage's forward is not as late as in PipeDream's 1F1B with a rank for each stage.
inline void require_1f1b(char const* policy, stage_view const& at) {
  double const late = static_cast<double>(at.stages - 1 - at.stage) / at.microbatches;
  require(std::abs(at.tau_fwd - late) < 1e-9 && at.tau_bkwd == 0, "cannot predict with ", policy, " at stage ", at.stage,
          ", because it counts the steps of 1F1B with a rank for each stage, where F is ", late,
          " updates late, and here it is ", at.tau_fwd,
          "; use schedule::async_1f1b with as many ranks as stages, or delay::pipe_optim, which goes by the delay");
}

}  // namespace detail

/// Reads w - s rate v (eq. 3): in F s = (floor(r / 2) + D - r - 1) / N, in B s = floor(r / 2) / N, at rank r of D, so that
/// both read what is there when the minibatch leaves the pipeline. Needs optim::momentum and the delays of async_1f1b with a
/// rank for each stage; fits() throws elsewhere. Memory: none beside the rooms for what F and B read.
struct spectrain {
  using role = foal::role::delay;
  static constexpr char const* name = "SpecTrain";
  static constexpr int states = 0;
  static constexpr int sees_optimizer_states = 1;
  static constexpr scope states_of = scope::all;

  static constexpr void bound(double, double, double*) {}
  void fits(stage_view const& at) const { detail::require_1f1b(name, at); }

  template <class S>
  auto forward_weight(moment m) const {
    return direction::predict<S>(direction::of_momentum{}, m.rate * (m.stage / 2 + m.stages - m.stage - 1) / m.microbatches,
                                 m.updates);
  }
  template <class S>
  auto backward_weight(moment m) const {
    return direction::predict<S>(direction::of_momentum{}, m.rate * (m.stage / 2) / m.microbatches, m.updates);
  }
};

}  // namespace foal::delay
