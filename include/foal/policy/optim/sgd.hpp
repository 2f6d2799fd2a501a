// Plain stochastic gradient descent: w <- w - lr (g + weight_decay w).
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/role.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

/// An optimizer is a plain struct: numbers, the count of state arrays per parameter (they start at zero), and prepare(),
/// which makes the elementwise functor of one update: f(w, g, states...). t counts the stage's own updates from 1.
struct sgd {
  using role = foal::role::optimizer;
  static constexpr char const* name = "sgd";
  static constexpr int states = 0;
  double weight_decay = 0;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("weight_decay", weight_decay);
  }
  template <class S>
  struct step {
    S rate, decay;
    FOAL_HOST_DEVICE void operator()(S& w, S g) const { w -= rate * (g + decay * w); }
  };
  template <class S>
  step<S> prepare(double rate, long long /*t*/) const {
    return {static_cast<S>(rate), static_cast<S>(weight_decay)};
  }
  template <class S>
  void bound(double rate, long long /*t*/, magnitudes& m) const {
    m.most = m.g + weight_decay * m.w;
    m.w += std::abs(rate) * m.most;
  }
  void check() const { check_weight_decay(name, weight_decay); }
};

}  // namespace foal::optim
