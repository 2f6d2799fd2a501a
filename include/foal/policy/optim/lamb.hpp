// LAMB: Adam's step of each parameter as a share of its norm (You et al. 2020).
#pragma once

#include <cmath>
#include <cstddef>

#include <foal/core/config.hpp>
#include <foal/core/registers.hpp>
#include <foal/core/role.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/concept.hpp>

namespace foal::optim {

namespace detail {

/// g becomes the direction.
template <class S>
struct lamb_direction {
  S of_mean, beta1, rest1, beta2, rest2, eps, decay, root;
  static constexpr bool in_registers = true;
  template <class T>
  FOAL_HOST_DEVICE void operator()(T const& w, T& g, T& m, T& v) const {
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * g * g;
    g = of_mean * m / (square_root(v) / root + eps) + decay * w;
  }
};
template <class S>
struct move_along {
  S by, norm;
  FOAL_HOST_DEVICE void operator()(S& w, S const& along) const { w -= by * (along / norm); }
};

}  // namespace detail

/// r = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay w, m and v as Adam's;  w <- w - lr |w| / |r| r, norms over the
/// parameter, and |w| / |r| = 1 where one of them is 0. Four copies of W: weights, gradient, m and v.
struct lamb {
  using role = foal::role::optimizer;
  static constexpr char const* name = "lamb";
  static constexpr int states = 2;
  static constexpr bool per_parameter = true;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-6;
  double weight_decay = 0.01;  ///< part of the direction

  template <class F>
  constexpr void numbers(F&& f) const {
    detail::numbers_of_adam(*this, f);
  }
  void check() const { detail::check_adam(name, beta1, beta2, eps, weight_decay); }

  template <class D, class S>
  void step(D& device, shape extent, S* w, S* g, S* const* states_of, S* /*scratch*/, moment m) const {
    auto const n = static_cast<std::size_t>(extent.size());
    double const t = static_cast<double>(m.update);
    detail::lamb_direction<S> const direction{static_cast<S>(1 / (1 - std::pow(beta1, t))),
                                              static_cast<S>(beta1),
                                              static_cast<S>(1 - beta1),
                                              static_cast<S>(beta2),
                                              static_cast<S>(1 - beta2),
                                              static_cast<S>(eps),
                                              static_cast<S>(weight_decay),
                                              static_cast<S>(std::sqrt(1 - std::pow(beta2, t)))};
    device.map(n, direction, static_cast<S const*>(w), g, states_of[0], states_of[1]);
    double const of_w = std::sqrt(device.sum_of_squares(n, static_cast<S const*>(w)));
    double const of_r = std::sqrt(device.sum_of_squares(n, static_cast<S const*>(g)));
    S const norm = static_cast<S>(of_r);
    bool const both = of_w > 0 && norm > S(0);
    detail::move_along<S> const move{static_cast<S>(both ? m.rate * of_w : m.rate), both ? norm : S(1)};
    device.map(n, move, w, static_cast<S const*>(g));
  }

  /// A step is at most lr |w|, or lr r where w is 0.
  template <class S>
  void bound(shape extent, moment m, magnitudes& of) const {
    double const w = of.w;
    detail::bound_adam<S>(1, beta1, beta2, eps, 0, weight_decay, of);  // most is then above |r|
    double const norm = std::sqrt(static_cast<double>(extent.size())) * w;
    of.w = w + std::abs(m.rate) * (of.most + norm);
    of.most += of.w;
  }
};

}  // namespace foal::optim
