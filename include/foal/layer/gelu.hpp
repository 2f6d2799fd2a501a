// The Gaussian error linear unit.
#pragma once

#include <cmath>

#include <foal/layer/contract.hpp>
#include <foal/layer/elements.hpp>

namespace foal {

/// y = x Phi(x), dx = dy (Phi(x) + x phi(x)), with the exact normal distribution (Hendrycks, Gimpel: GELU). Keeps its input
/// until B.
struct gelu {
  static constexpr char const* name = "gelu";
  static constexpr bool ragged = true, segmented = true;
  static constexpr until input_kept = until::B;

  static constexpr shape output(shape in) { return in; }
  static constexpr long long flops(shape in) { return 4LL * in.size(); }

  template <class S>
  FOAL_HOST_DEVICE static S distribution(S x) {
    return S(0.5) * (S(1) + std::erf(x * static_cast<S>(0.70710678118654752440)));  // 1 / sqrt 2
  }

  struct forward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& x, S& y) const {
      y = x * distribution(x);
    }
  };
  struct backward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& dy, S const& x, S& dx) const {
      S const density = static_cast<S>(0.39894228040143267794) * std::exp(S(-0.5) * x * x);  // 1 / sqrt(2 pi)
      dx = dy * (distribution(x) + x * density);
    }
  };

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    ctx.device.map(input_elements(ctx), forward_element{}, x, y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S> s, S* dx) {
    ctx.device.map(input_elements(ctx), backward_element{}, dy, s.x, dx);
  }
};

}  // namespace foal
