// Adan: Nesterov's momentum from differences of gradients (Xie et al. 2022), formula and defaults as in the authors' code.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include <foal/core/config.hpp>
#include <foal/core/registers.hpp>
#include <foal/core/role.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

/// d = g - g_before (0 at the first update);  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) d;
/// n <- b3 n + (1 - b3) (g + b2 d)^2;
/// w <- (w - lr (m / (1 - b1^t) + b2 v / (1 - b2^t)) / (sqrt(n / (1 - b3^t)) + eps)) / (1 + lr decay).
/// Six copies of W: weights, gradient, m, v, n and the gradient before.
struct adan {
  using role = foal::role::optimizer;
  static constexpr char const* name = "adan";
  static constexpr int states = 4;
  double beta1 = 0.98, beta2 = 0.92, beta3 = 0.99, eps = 1e-8;
  double weight_decay = 0;  ///< decoupled

  template <class F>
  constexpr void numbers(F&& f) const {
    f("beta1", beta1);
    f("beta2", beta2);
    f("beta3", beta3);
    f("eps", eps);
    f("weight_decay", weight_decay);
  }
  template <class S>
  struct step {
    S of_m, of_v, beta1, rest1, beta2, rest2, beta3, rest3, eps, root, shrink;
    bool first;
    static constexpr bool in_registers = true;
    template <class T>
    FOAL_HOST_DEVICE void operator()(T& w, std::type_identity_t<T> g, T& m, T& v, T& n, T& before) const {
      T d{};
      if (!first) d = g - before;
      T const ahead = g + beta2 * d;
      before = g;
      m = beta1 * m + rest1 * g;
      v = beta2 * v + rest2 * d;
      n = beta3 * n + rest3 * ahead * ahead;
      w = (w - (of_m * m + of_v * v) / (square_root(n) / root + eps)) * shrink;
    }
  };
  template <class S>
  step<S> prepare(double rate, long long t) const {
    double const k = static_cast<double>(t);
    return {static_cast<S>(rate / (1 - std::pow(beta1, k))),
            static_cast<S>(rate * beta2 / (1 - std::pow(beta2, k))),
            static_cast<S>(beta1),
            static_cast<S>(1 - beta1),
            static_cast<S>(beta2),
            static_cast<S>(1 - beta2),
            static_cast<S>(beta3),
            static_cast<S>(1 - beta3),
            static_cast<S>(eps),
            static_cast<S>(std::sqrt(1 - std::pow(beta3, k))),
            static_cast<S>(1 / (1 + rate * weight_decay)),
            t == 1};
  }
  /// The quotient is bounded by numerator / eps, which must not be 0 in S.
  template <class S>
  void bound(double rate, long long /*t*/, magnitudes& m) const {
    double const d = m.g + m.state[3], ahead = m.g + d;
    m.state[0] = m.state[0] > m.g ? m.state[0] : m.g;
    m.state[1] = m.state[1] > d ? m.state[1] : d;
    m.state[2] = m.state[2] > ahead * ahead ? m.state[2] : ahead * ahead;
    m.state[3] = m.g;
    bool const divides = eps >= static_cast<double>(std::numeric_limits<S>::min());
    double const above = std::abs(rate) * (m.state[0] / (1 - beta1) + m.state[1] / (1 - beta2));
    double const moved = divides ? above / eps : std::numeric_limits<double>::infinity();
    m.w += moved;
    m.most = ahead * ahead + above + moved + m.state[2] / std::sqrt(1 - beta3);
  }
  void check() const {
    require_number(beta1 >= 0 && beta1 < 1, name, "beta1", beta1, "at least 0 and below 1");
    require_number(beta2 >= 0 && beta2 < 1, name, "beta2", beta2, "at least 0 and below 1");
    require_number(beta3 >= 0 && beta3 < 1, name, "beta3", beta3, "at least 0 and below 1");
    require_number(std::isfinite(eps) && eps >= 0, name, "eps", eps, "0 or more");
    check_weight_decay(name, weight_decay);
  }
};

}  // namespace foal::optim
