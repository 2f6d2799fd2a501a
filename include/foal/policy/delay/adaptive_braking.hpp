// Adaptive braking (Venigalla, Kosson, Chiley, Koester, "Adaptive Braking for Mitigating Gradient Delay", arXiv 2007.01397,
// 2020): a gradient counts less where it goes the way of the velocity, and more against it.
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

/// (1 - rho cos(g, v)) g in place of g, the cosine being taken over each parameter, v the momentum before the update; where
/// one of them is 0 it is 0. Needs optim::momentum, and a device with sums. Memory: none; a pass more over g and v.
struct adaptive_braking {
  using role = foal::role::delay;
  static constexpr char const* name = "adaptive braking";
  static constexpr int states = 0;
  static constexpr int sees_optimizer_states = 1;
  static constexpr int sums = 3;
  static constexpr scope states_of = scope::all;
  double rho = 2;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("rho", rho);
  }
  void check() const { require_number(std::isfinite(rho) && rho >= 0, name, "rho", rho, "0 or more"); }

  template <class S>
  struct products {
    FOAL_HOST_DEVICE void operator()(double* add, S g, S, S const& v) const {
      double const a = static_cast<double>(g), b = static_cast<double>(v);
      add[0] = a * b, add[1] = a * a, add[2] = b * b;
    }
  };
  template <class S>
  products<S> summands(moment) const {
    return {};
  }
  template <class S>
  struct brake {
    S factor;
    FOAL_HOST_DEVICE S operator()(S g, S, S const&) const { return factor * g; }
  };
  template <class S>
  brake<S> gradient(moment m) const {
    double const norms = std::sqrt(m.sums[1]) * std::sqrt(m.sums[2]);
    return {static_cast<S>(1 - (norms > 0 ? rho * m.sums[0] / norms : 0))};
  }
};

}  // namespace foal::delay
