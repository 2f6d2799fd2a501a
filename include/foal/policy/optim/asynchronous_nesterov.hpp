// Nesterov's momentum for asynchronous pipelines (Ajanthan et al. 2025, 2505.01099).
#pragma once

#include <algorithm>
#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/role.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

/// d_t = c (w_t - w_{t-1});  w_{t+1} = w_t + d_t - lr (1 - c) g, g the gradient at w + d of a delay ago. The weights that
/// stages read are x = w + d, so with v = w_t - w_{t-1}:  v <- c v - lr (1 - c) g;  x <- x + c v - lr (1 - c) g.
/// c is `momentum`, and with `spread` > 0 less where the delay is less: least + (momentum - least) min(1, tau / spread),
/// the paper's form without stashing, which takes lr::reschedule beside it (spread: the largest tau); with versions::stash
/// leave spread 0. Three copies of W: weights, gradient and v.
struct asynchronous_nesterov {
  using role = foal::role::optimizer;
  static constexpr char const* name = "asynchronous nesterov";
  static constexpr int states = 1;
  double momentum = 0.99, least = 0.9, spread = 0;
  double weight_decay = 0;  ///< coupled: added to the gradient

  template <class F>
  constexpr void numbers(F&& f) const {
    f("momentum", momentum);
    f("least", least);
    f("spread", spread);
    f("weight_decay", weight_decay);
  }
  double momentum_at(double tau) const {
    return spread > 0 ? least + (momentum - least) * std::min(1.0, tau / spread) : momentum;
  }
  template <class S>
  struct step {
    S discounted, c, decay;
    FOAL_HOST_DEVICE void operator()(S& x, S g, S& v) const {
      S const s = discounted * (g + decay * x);
      v = c * v - s;
      x += c * v - s;
    }
  };
  template <class S>
  step<S> prepare(moment m) const {
    double const c = momentum_at(m.tau_fwd);
    return {static_cast<S>(m.rate * (1 - c)), static_cast<S>(c), static_cast<S>(weight_decay)};
  }
  template <class S>
  void bound(double rate, long long /*t*/, magnitudes& m) const {
    double const g = m.g + weight_decay * m.w, most = std::max(momentum, least), s = std::abs(rate) * g;
    m.state[0] = most * m.state[0] + s;
    m.w += m.state[0] + s;
    m.most = g + m.state[0] + s;
  }
  void check() const {
    require_number(momentum >= 0 && momentum < 1, name, "momentum", momentum, "at least 0 and below 1");
    require_number(least >= 0 && least < 1, name, "least", least, "at least 0 and below 1");
    require_number(std::isfinite(spread) && spread >= 0, name, "spread", spread, "0 or more");
    check_weight_decay(name, weight_decay);
  }
};

}  // namespace foal::optim
