// The hyperbolic tangent.
#pragma once

#include <cmath>

#include <foal/layer/contract.hpp>
#include <foal/layer/elements.hpp>

namespace foal {

/// y = tanh x, dx = dy (1 - y^2). Keeps its output until B.
struct tanh {
  static constexpr char const* name = "tanh";
  static constexpr bool ragged = true, segmented = true;
  static constexpr until output_kept = until::B;
  static constexpr bool in_place = true;

  static constexpr shape output(shape in) { return in; }
  static constexpr long long flops(shape in) { return in.size(); }

  struct forward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& x, S& y) const {
      y = std::tanh(x);
    }
  };
  struct backward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& dy, S const& y, S& dx) const {
      dx = dy * (S(1) - y * y);
    }
  };

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    ctx.device.map(input_elements(ctx), forward_element{}, x, y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S> s, S* dx) {
    ctx.device.map(input_elements(ctx), backward_element{}, dy, s.y, dx);
  }
};

}  // namespace foal
