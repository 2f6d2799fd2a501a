// Lion: the sign of a momentum (Chen et al. 2023, "Symbolic discovery of optimization algorithms").
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/role.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

/// u = sign(b1 m + (1 - b1) g), 0 of 0;  w <- (1 - lr decay) w - lr u;  m <- b2 m + (1 - b2) g. Rates are a third to a tenth
/// of Adam's. Three copies of W: weights, gradient and m.
struct lion {
  using role = foal::role::optimizer;
  static constexpr char const* name = "lion";
  static constexpr int states = 1;
  double beta1 = 0.9, beta2 = 0.99;
  double weight_decay = 0;  ///< decoupled

  template <class F>
  constexpr void numbers(F&& f) const {
    f("beta1", beta1);
    f("beta2", beta2);
    f("weight_decay", weight_decay);
  }
  template <class S>
  struct step {
    S rate, shrink, beta1, rest1, beta2, rest2;
    FOAL_HOST_DEVICE void operator()(S& w, S g, S& m) const {
      S const u = beta1 * m + rest1 * g;
      m = beta2 * m + rest2 * g;
      w = w * shrink - (u > S(0) ? rate : u < S(0) ? -rate : S(0));
    }
  };
  template <class S>
  step<S> prepare(double rate, long long /*t*/) const {
    return {static_cast<S>(rate),  static_cast<S>(1 - rate * weight_decay),
            static_cast<S>(beta1), static_cast<S>(1 - beta1),
            static_cast<S>(beta2), static_cast<S>(1 - beta2)};
  }
  template <class S>
  void bound(double rate, long long /*t*/, magnitudes& m) const {
    m.state[0] = m.state[0] > m.g ? m.state[0] : m.g;
    m.w = m.w * (1 + std::abs(rate) * weight_decay) + std::abs(rate);
    m.most = 2 * m.state[0];
  }
  void check() const {
    require_number(beta1 >= 0 && beta1 < 1, name, "beta1", beta1, "at least 0 and below 1");
    require_number(beta2 >= 0 && beta2 < 1, name, "beta2", beta2, "at least 0 and below 1");
    check_weight_decay(name, weight_decay);
  }
};

}  // namespace foal::optim
