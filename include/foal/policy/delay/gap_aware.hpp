// Gap-Aware (Barkai, Hakimi, Schuster, "Gap-Aware Mitigation of Gradient Staleness", ICLR 2020, arXiv 1909.10802): a
// gradient counts the less, the further the weights have moved since it was taken.
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

/// g / (1 + |w - w_F| / (rate (sqrt(A / (1 - memory^t)) + eps))), elementwise, with A <- memory A + (1 - memory) v^2 after
/// each of t updates, v the momentum: rate * v is a usual step, and the gap is counted in such. w the weights of now, w_F
/// those that the microbatch's F has read. As FTPipe's program has it, but that weight decay is not divided. Needs
/// optim::momentum, W in one op with B, and the largest rate of the run. Memory: W, the versions in flight, and a gradient.
struct gap_aware {
  using role = foal::role::delay;
  static constexpr char const* name = "gap-aware";
  static constexpr int states = 1;
  static constexpr int sees_optimizer_states = 1;
  static constexpr scope states_of = scope::all;
  double rate = 0;  ///< the largest of the run
  double memory = 0.999;
  double eps = 1e-8;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("rate", rate);
    f("memory", memory);
    f("eps", eps);
  }
  void check() const {
    require_number(std::isfinite(rate) && rate > 0, name, "rate", rate, "above 0: the largest rate of the run");
    require_number(memory >= 0 && memory < 1, name, "memory", memory, "at least 0 and below 1");
    require_number(std::isfinite(eps) && eps > 0, name, "eps", eps, "above 0");
  }

  template <class S>
  struct divide {
    S rate, unbias, eps;
    FOAL_HOST_DEVICE S operator()(S g, S now, S then, S const& squares, S const&) const {
      using std::abs;
      using std::sqrt;
      return g / (S(1) + abs(now - then) / (rate * (sqrt(squares * unbias) + eps)));
    }
  };
  template <class S>
  divide<S> microbatch_gradient(moment m) const {
    double const known = m.since > 0 ? 1 / (1 - std::pow(memory, static_cast<double>(m.since))) : 1;
    return {static_cast<S>(rate), static_cast<S>(known), static_cast<S>(eps)};
  }
  template <class S>
  struct follow {
    S memory, rest;
    FOAL_HOST_DEVICE void operator()(S, S, S& squares, S const& v) const { squares = memory * squares + rest * v * v; }
  };
  template <class S>
  follow<S> after_update(moment) const {
    return {static_cast<S>(memory), static_cast<S>(1 - memory)};
  }
};

}  // namespace foal::delay
