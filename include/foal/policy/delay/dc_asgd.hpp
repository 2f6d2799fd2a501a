// DC-ASGD, delay compensation (Zheng et al., ICML 2017, arXiv 1609.08326): the gradient at the weights of now, to first
// order.
#pragma once

#include <cmath>

#include <foal/core/config.hpp>
#include <foal/core/error.hpp>
#include <foal/policy/delay/concept.hpp>

namespace foal::delay {

/// g + lambda g g (w - w_F), elementwise (eq. 10): w the weights of now and w_F those that the microbatch's F has read; g g
/// stands for the Hessian's diagonal. Changes each microbatch's gradient, so W must be one op with B. Memory: the versions
/// in flight, and a gradient.
struct dc_asgd {
  using role = foal::role::delay;
  static constexpr char const* name = "DC-ASGD";
  static constexpr int states = 0;
  double lambda = 0.04;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("lambda", lambda);
  }
  static constexpr void bound(double, double, double*) {}
  void check() const { require_number(std::isfinite(lambda) && lambda >= 0, name, "lambda", lambda, "0 or more"); }

  template <class S>
  struct towards {
    S lambda;
    FOAL_HOST_DEVICE S operator()(S g, S now, S then) const { return g + lambda * g * g * (now - then); }
  };
  template <class S>
  towards<S> microbatch_gradient(moment) const {
    return {static_cast<S>(lambda)};
  }
};

/// DC-ASGD-a: lambda / sqrt(M + eps) in place of lambda (eq. 15), M <- m M + (1 - m) g^2 being a mean over the updates so
/// far, of the minibatch's gradient. Memory: W, the versions in flight, and a gradient.
struct adaptive_dc_asgd {
  using role = foal::role::delay;
  static constexpr char const* name = "DC-ASGD-a";
  static constexpr int states = 1;
  static constexpr scope states_of = scope::all;
  static constexpr bool watches_gradients = true;
  double lambda = 2;
  double memory = 0.95;  ///< m
  double eps = 1e-7;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("lambda", lambda);
    f("memory", memory);
    f("eps", eps);
  }
  void check() const {
    require_number(std::isfinite(lambda) && lambda >= 0, name, "lambda", lambda, "0 or more");
    require_number(memory >= 0 && memory < 1, name, "memory", memory, "at least 0 and below 1");
    require_number(std::isfinite(eps) && eps > 0, name, "eps", eps, "above 0");
  }

  template <class S>
  struct towards {
    S lambda, eps;
    FOAL_HOST_DEVICE S operator()(S g, S now, S then, S const& mean) const {
      using std::sqrt;
      return g + lambda / sqrt(mean + eps) * g * g * (now - then);
    }
  };
  template <class S>
  towards<S> microbatch_gradient(moment) const {
    return {static_cast<S>(lambda), static_cast<S>(eps)};
  }
  template <class S>
  struct follow {
    S memory, rest;
    FOAL_HOST_DEVICE void operator()(S, S, S g, S& mean) const { mean = memory * mean + rest * g * g; }
  };
  template <class S>
  follow<S> after_update(moment) const {
    return {static_cast<S>(memory), static_cast<S>(1 - memory)};
  }
};

}  // namespace foal::delay
