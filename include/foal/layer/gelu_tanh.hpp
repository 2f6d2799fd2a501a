// GELU as GPT-2 has it: by a hyperbolic tangent in the normal distribution's place.
#pragma once

#include <cmath>
#include <type_traits>

#include <foal/layer/contract.hpp>
#include <foal/layer/elements.hpp>

namespace foal {

/// y = x / 2 (1 + tanh u), u = sqrt(2 / pi) (x + 0.044715 x^3): Hendrycks, Gimpel: GELU, the first approximation; PyTorch's
/// approximate="tanh". Keeps its input until B. In float the tangent is a quotient of polynomials, within 4e-7 of it.
struct gelu_tanh {
  static constexpr char const* name = "gelu_tanh";
  static constexpr bool ragged = true, segmented = true;
  static constexpr until input_kept = until::B;

  static constexpr shape output(shape in) { return in; }
  static constexpr long long flops(shape in) { return 8LL * in.size(); }

  template <class S>
  FOAL_HOST_DEVICE static S inner(S x) {
    return static_cast<S>(0.79788456080286535588) * x * (S(1) + static_cast<S>(0.044715) * x * x);
  }
  /// From this |u| on, tanh u is 1 or -1 in float.
  template <class S>
  static constexpr S one_from = static_cast<S>(7.9);

  template <class S>
  FOAL_HOST_DEVICE static S tangent(S u) {
    if constexpr (!std::is_same_v<S, float>) {
      return std::tanh(u);
    } else {
      // Eigen's quotient (generic_fast_tanh_float) for single numbers: a loop of it becomes vectors, one of std::tanh does
      // not. Compared so that what is not a number stays none.
      S const below = u > one_from<S> ? one_from<S> : u;
      S const t = below < -one_from<S> ? -one_from<S> : below;
      S const s = t * t;
      S p = 2.00018790482477e-13F - 2.76076847742355e-16F * s;
      p = s * p - 8.60467152213735e-11F;
      p = s * p + 5.12229709037114e-08F;
      p = s * p + 1.48572235717979e-05F;
      p = s * p + 6.37261928875436e-04F;
      p = s * p + 4.89352455891786e-03F;
      S q = 1.18534705686654e-04F + 1.19825839466702e-06F * s;
      q = s * q + 2.26843463243900e-03F;
      q = s * q + 4.89352518554385e-03F;
      return t * p / q;
    }
  }

  struct forward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& x, S& y) const {
      y = S(0.5) * x * (S(1) + tangent(inner(x)));
    }
  };
  struct backward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& dy, S const& x, S& dx) const {
      S const u = inner(x), t = tangent(u);
      // 0 where the tangent is 1 but for rounding, which x^3 would make much of.
      S const slope = std::abs(u) < one_from<S> || !std::is_same_v<S, float> ? S(1) - t * t : S(0);
      S const inner_slope = static_cast<S>(0.79788456080286535588) * (S(1) + static_cast<S>(0.134145) * x * x);
      dx = dy * S(0.5) * (S(1) + t + x * slope * inner_slope);
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
