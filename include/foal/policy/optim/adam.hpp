// Adam (Kingma, Ba 2015) and AdamW (Loshchilov, Hutter 2019), formulas and defaults as in PyTorch.
#pragma once

#include <cmath>
#include <limits>
#include <string_view>
#include <type_traits>

#include <foal/core/config.hpp>
#include <foal/core/registers.hpp>
#include <foal/core/role.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

namespace detail {

/// m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  w <- w - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps).
/// What these numbers leave of 1 is computed in double: of 0.999 float itself would give 0.00100005.
template <class S>
struct adam_step {
  S rate, beta1, rest1, beta2, rest2, eps, coupled, shrink;  ///< rate: lr / (1 - b1^t); shrink: 1 - lr * decoupled decay
  S root;                                                    ///< sqrt(1 - b2^t)
  static constexpr bool in_registers = true;
  template <class T>
  FOAL_HOST_DEVICE void operator()(T& w, std::type_identity_t<T> g, T& m, T& v) const {
    g += coupled * w;
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
    w = w * shrink - rate * (m / (square_root(v) / root + eps));
  }
};

template <class S>
adam_step<S> prepare_adam(double rate, long long t, double beta1, double beta2, double eps, double coupled,
                          double decoupled) {
  double const n = static_cast<double>(t);
  return {static_cast<S>(rate / (1 - std::pow(beta1, n))),
          static_cast<S>(beta1),
          static_cast<S>(1 - beta1),
          static_cast<S>(beta2),
          static_cast<S>(1 - beta2),
          static_cast<S>(eps),
          static_cast<S>(coupled),
          static_cast<S>(1 - rate * decoupled),
          static_cast<S>(std::sqrt(1 - std::pow(beta2, n)))};
}

/// Of adam_step. The quotient is bounded by m / eps, which must not be 0 in S.
template <class S>
void bound_adam(double rate, double beta1, double beta2, double eps, double coupled, double decoupled, magnitudes& m) {
  double const g = m.g + coupled * m.w;
  m.state[0] = m.state[0] > g ? m.state[0] : g;  // means, however their shares are rounded
  m.state[1] = m.state[1] > g * g ? m.state[1] : g * g;
  bool const divides = eps >= static_cast<double>(std::numeric_limits<S>::min());
  double const quotient = divides ? m.state[0] / eps : std::numeric_limits<double>::infinity();
  double const step = std::abs(rate) / (1 - beta1) * quotient;
  m.w = m.w * (1 + std::abs(rate) * decoupled) + step;
  m.most = g * g + quotient + step + m.state[1] / std::sqrt(1 - beta2);
}

inline void check_adam(std::string_view policy, double beta1, double beta2, double eps, double weight_decay) {
  require_number(beta1 >= 0 && beta1 < 1, policy, "beta1", beta1, "at least 0 and below 1");
  require_number(beta2 >= 0 && beta2 < 1, policy, "beta2", beta2, "at least 0 and below 1");
  require_number(std::isfinite(eps) && eps >= 0, policy, "eps", eps, "0 or more");
  check_weight_decay(policy, weight_decay);
}

template <class P, class F>
constexpr void numbers_of_adam(P const& p, F& f) {
  f("beta1", p.beta1);
  f("beta2", p.beta2);
  f("eps", p.eps);
  f("weight_decay", p.weight_decay);
}

}  // namespace detail

struct adam {
  using role = foal::role::optimizer;
  static constexpr char const* name = "adam";
  static constexpr int states = 2;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;  ///< coupled: added to the gradient

  template <class F>
  constexpr void numbers(F&& f) const {
    detail::numbers_of_adam(*this, f);
  }
  template <class S>
  detail::adam_step<S> prepare(double rate, long long t) const {
    return detail::prepare_adam<S>(rate, t, beta1, beta2, eps, weight_decay, 0);
  }
  template <class S>
  void bound(double rate, long long /*t*/, magnitudes& m) const {
    detail::bound_adam<S>(rate, beta1, beta2, eps, weight_decay, 0, m);
  }
  void check() const { detail::check_adam(name, beta1, beta2, eps, weight_decay); }
};

struct adamw {
  using role = foal::role::optimizer;
  static constexpr char const* name = "adamw";
  static constexpr int states = 2;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.01;  ///< decoupled: w <- (1 - lr decay) w

  template <class F>
  constexpr void numbers(F&& f) const {
    detail::numbers_of_adam(*this, f);
  }
  template <class S>
  detail::adam_step<S> prepare(double rate, long long t) const {
    return detail::prepare_adam<S>(rate, t, beta1, beta2, eps, 0, weight_decay);
  }
  template <class S>
  void bound(double rate, long long /*t*/, magnitudes& m) const {
    detail::bound_adam<S>(rate, beta1, beta2, eps, 0, weight_decay, m);
  }
  void check() const { detail::check_adam(name, beta1, beta2, eps, weight_decay); }
};

}  // namespace foal::optim
