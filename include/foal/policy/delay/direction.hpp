// The step that an optimizer would make again, from its states: what predictions of weights repeat.
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>

/// A direction: static constexpr int states, the optimizer's states that it needs; and at<S>(updates), which gives the
/// functor S d(S const& state...) after so many updates, such that the optimizer's next step without a new gradient is about
/// -rate * d. Before the first update it is 0.
namespace foal::delay::direction {

/// Of optim::momentum: d = v.
struct of_momentum {
  static constexpr char const* name = "momentum";
  static constexpr int states = 1;

  template <class F>
  constexpr void numbers(F&&) const {}
  template <class S>
  struct velocity {
    FOAL_HOST_DEVICE S operator()(S const& v) const { return v; }
  };
  template <class S>
  velocity<S> at(long long /*updates*/) const {
    return {};
  }
  void check() const {}
};

/// Of optim::adam and adamw: d = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps), without the weight decay. Needs the
/// optimizer's own numbers.
struct of_adam {
  static constexpr char const* name = "adam";
  static constexpr int states = 2;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("beta1", beta1);
    f("beta2", beta2);
    f("eps", eps);
  }
  template <class S>
  struct normalised {
    S scale, root, eps;  ///< 1 / (1 - b1^t), sqrt(1 - b2^t)
    FOAL_HOST_DEVICE S operator()(S const& m, S const& v) const {
      using std::sqrt;
      return scale * (m / (sqrt(v) / root + eps));
    }
  };
  template <class S>
  normalised<S> at(long long updates) const {
    if (updates < 1) return {S(0), S(1), S(1)};
    double const t = static_cast<double>(updates);
    return {static_cast<S>(1 / (1 - std::pow(beta1, t))), static_cast<S>(std::sqrt(1 - std::pow(beta2, t))),
            static_cast<S>(eps)};
  }
  void check() const {
    require_number(beta1 >= 0 && beta1 < 1, name, "beta1", beta1, "at least 0 and below 1");
    require_number(beta2 >= 0 && beta2 < 1, name, "beta2", beta2, "at least 0 and below 1");
    require_number(std::isfinite(eps) && eps > 0, name, "eps", eps, "above 0");
  }
};

/// w - steps * d(states...): the weight after `steps` / rate such steps.
template <class S, class Direction>
struct ahead {
  S steps;
  Direction d;
  template <class... States>
  FOAL_HOST_DEVICE S operator()(S w, States const&... states) const {
    return w - steps * d(states...);
  }
};
template <class S, class Of>
auto predict(Of const& of, double steps, long long updates) {
  using d = decltype(of.template at<S>(updates));
  return ahead<S, d>{static_cast<S>(steps), of.template at<S>(updates)};
}

}  // namespace foal::delay::direction
