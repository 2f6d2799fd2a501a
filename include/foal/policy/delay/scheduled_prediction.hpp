// FTPipe's prediction (Eliad, Hakimi, De Jager, Silberstein, Schuster, USENIX ATC 2021; its program's weight_prediction):
// what the optimizer would do without new gradients, at the rates that its schedule has for those updates.
#pragma once

#include <algorithm>
#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

namespace detail {

/// Calls f(k, share) for the updates 1, 2, ... that make up `delay`: a share of 1 each, of the last one what is left.
template <class F>
void each_update_ahead(double delay, F f) {
  for (long long k = 1; static_cast<double>(k - 1) < delay; ++k) f(k, std::min(1.0, delay - static_cast<double>(k - 1)));
}

}  // namespace detail

/// With optim::momentum: F reads w - v sum over k = 1 .. tau_fwd of rate_k b^k, for v shrinks by b at each update (msnag, by
/// the schedule). At one rate that is w - rate v (b - b^(tau + 1)) / (1 - b). B reads w. Memory: none beside the room for
/// what F reads.
struct scheduled_prediction {
  using role = foal::role::delay;
  static constexpr char const* name = "scheduled prediction";
  static constexpr int states = 0;
  static constexpr int sees_optimizer_states = 1;
  static constexpr scope states_of = scope::all;
  double momentum = 0.9;  ///< the optimizer's

  template <class F>
  constexpr void numbers(F&& f) const {
    f("momentum", momentum);
  }
  static constexpr void bound(double, double, double*) {}
  void check() const { require_number(momentum >= 0 && momentum <= 1, name, "momentum", momentum, "0 to 1"); }

  template <class S>
  struct decayed {
    S steps;
    FOAL_HOST_DEVICE S operator()(S w, S const& v) const { return w - steps * v; }
  };
  template <class S>
  decayed<S> forward_weight(moment m) const {
    double steps = 0, power = 1;
    detail::each_update_ahead(m.tau_fwd, [&](long long k, double share) {
      power *= momentum;
      steps += share * power * m.rate_ahead(k);
    });
    return {static_cast<S>(m.updates > 0 ? steps : 0)};
  }
};

/// With optim::adam or adamw, t updates made: F reads w - sum over k of rate_k b1^k m / (1 - b1^(t+k)) / (sqrt(v) /
/// sqrt(1 - b2^(t+k)) + eps). Needs the optimizer's numbers. fits() throws where F is more than 32 updates late: each has a
/// term of its own. Memory: none beside the room for what F reads.
struct scheduled_adam_prediction {
  using role = foal::role::delay;
  static constexpr char const* name = "scheduled prediction (adam)";
  static constexpr int states = 0;
  static constexpr int sees_optimizer_states = 2;
  static constexpr scope states_of = scope::all;
  static constexpr int most_updates = 32;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("beta1", beta1);
    f("beta2", beta2);
    f("eps", eps);
  }
  static constexpr void bound(double, double, double*) {}
  void check() const {
    require_number(beta1 >= 0 && beta1 < 1, name, "beta1", beta1, "at least 0 and below 1");
    require_number(beta2 >= 0 && beta2 < 1, name, "beta2", beta2, "at least 0 and below 1");
    require_number(std::isfinite(eps) && eps > 0, name, "eps", eps, "above 0");
  }
  void fits(stage_view const& at) const {
    require(at.tau_fwd <= most_updates, "cannot predict Adam's steps one by one at stage ", at.stage, ", because F is ",
            at.tau_fwd, " updates late there and there are terms for ", most_updates,
            "; use delay::pipe_optim, or more microbatches");
  }

  template <class S>
  struct steps {
    int count = 0;
    S eps = 0, rate[most_updates]{}, root[most_updates]{};
    FOAL_HOST_DEVICE S operator()(S w, S const& m, S const& v) const {
      using std::sqrt;
      S const size = sqrt(v);
      for (int k = 0; k < count; ++k) w -= rate[k] * (m / (size / root[k] + eps));
      return w;
    }
  };
  template <class S>
  steps<S> forward_weight(moment m) const {
    steps<S> all;
    all.eps = static_cast<S>(eps);
    if (m.updates < 1) return all;
    double power = 1;
    detail::each_update_ahead(std::min(m.tau_fwd, static_cast<double>(most_updates)), [&](long long k, double share) {
      double const t = static_cast<double>(m.updates + k);
      power *= beta1;
      all.rate[all.count] = static_cast<S>(share * power * m.rate_ahead(k) / (1 - std::pow(beta1, t)));
      all.root[all.count++] = static_cast<S>(std::sqrt(1 - std::pow(beta2, t)));
    });
    return all;
  }
};

}  // namespace foal::delay
