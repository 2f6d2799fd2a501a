// NAdam, Adam with Nesterov's look-ahead (Dozat 2016), formula and defaults as in PyTorch.
#pragma once

#include <cmath>
#include <type_traits>

#include <foal/core/config.hpp>
#include <foal/core/registers.hpp>
#include <foal/core/role.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

namespace detail {

template <class S>
struct nadam_step {
  S of_mean, of_gradient, beta1, rest1, beta2, rest2, eps, shrink, root;
  static constexpr bool in_registers = true;
  template <class T>
  FOAL_HOST_DEVICE void operator()(T& w, std::type_identity_t<T> g, T& m, T& v) const {
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
    w = w * shrink - (of_mean * m + of_gradient * g) / (square_root(v) / root + eps);
  }
};

}  // namespace detail

/// m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  with mu_t = b1 (1 - 0.96^(t ramp) / 2) and p_t = mu_1 ... mu_t:
/// w <- (1 - lr decay) w - lr (mu_{t+1} m / (1 - p_{t+1}) + (1 - mu_t) g / (1 - p_t)) / (sqrt(v / (1 - b2^t)) + eps).
/// With beta1 = 0.99 it is what Ajanthan et al. 2025 (2505.01099) train asynchronous pipelines with. Four copies of W:
/// weights, gradient, m and v.
struct nadam {
  using role = foal::role::optimizer;
  static constexpr char const* name = "nadam";
  static constexpr int states = 2;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;       ///< decoupled
  double momentum_ramp = 0.004;  ///< PyTorch's momentum_decay

  template <class F>
  constexpr void numbers(F&& f) const {
    detail::numbers_of_adam(*this, f);
    f("momentum_ramp", momentum_ramp);
  }
  double momentum_at(double t) const { return beta1 * (1 - 0.5 * std::pow(0.96, t * momentum_ramp)); }
  template <class S>
  detail::nadam_step<S> prepare(double rate, long long t) const {
    double product = 1;  // it is at most beta1^t, and soon nothing beside 1
    for (long long k = 1; k <= t && product > 1e-18; ++k) product *= momentum_at(static_cast<double>(k));
    double const now = momentum_at(static_cast<double>(t)), next = momentum_at(static_cast<double>(t + 1));
    return {static_cast<S>(rate * next / (1 - product * next)),
            static_cast<S>(rate * (1 - now) / (1 - product)),
            static_cast<S>(beta1),
            static_cast<S>(1 - beta1),
            static_cast<S>(beta2),
            static_cast<S>(1 - beta2),
            static_cast<S>(eps),
            static_cast<S>(1 - rate * weight_decay),
            static_cast<S>(std::sqrt(1 - std::pow(beta2, static_cast<double>(t))))};
  }
  /// Both factors of the step are at most 1 / (1 - beta1).
  template <class S>
  void bound(double rate, long long /*t*/, magnitudes& m) const {
    detail::bound_adam<S>(2 * rate, beta1, beta2, eps, 0, weight_decay, m);
  }
  void check() const {
    detail::check_adam(name, beta1, beta2, eps, weight_decay);
    require_number(std::isfinite(momentum_ramp) && momentum_ramp >= 0, name, "momentum_ramp", momentum_ramp, "0 or more");
  }
};

}  // namespace foal::optim
