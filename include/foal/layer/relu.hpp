// The rectifier.
#pragma once

#include <foal/layer/contract.hpp>
#include <foal/layer/elements.hpp>

namespace foal {

/// y = max(x, 0), NaN stays NaN. Keeps one byte per element until B: a quarter of its output in float.
struct relu {
  static constexpr char const* name = "relu";
  static constexpr bool ragged = true, segmented = true;
  static constexpr bool in_place = true;

  static constexpr shape output(shape in) { return in; }
  static constexpr list<kept_entry> kept(shape in) { return {kept_entry{{0, in.size()}, until::B, element::uint8}}; }
  static constexpr long long flops(shape in) { return in.size(); }

  struct forward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& x, S& y, unsigned char& positive) const {
      S const value = x;
      positive = value > S(0) ? 1 : 0;
      y = value < S(0) ? S(0) : value;
    }
  };
  struct evaluate_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& x, S& y) const {
      S const value = x;
      y = value < S(0) ? S(0) : value;
    }
  };
  struct backward_element {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& dy, unsigned char const& positive, S& dx) const {
      S const value = dy;
      dx = positive != 0 ? value : S(0);
    }
  };

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S> s) {
    if (ctx.phase == phase::evaluate) {
      ctx.device.map(input_elements(ctx), evaluate_element{}, x, y);
    } else {
      ctx.device.map(input_elements(ctx), forward_element{}, x, y, s.template at<unsigned char>(0));
    }
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S> s, S* dx) {
    ctx.device.map(input_elements(ctx), backward_element{}, dy, s.template at<unsigned char const>(0), dx);
  }
};

}  // namespace foal
