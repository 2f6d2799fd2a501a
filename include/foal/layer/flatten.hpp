// A feature map read as a vector.
#pragma once

#include <foal/layer/contract.hpp>
#include <foal/layer/elements.hpp>

namespace foal {

/// The same elements in the same order (rows, columns, channels last), as features.
struct flatten {
  static constexpr char const* name = "flatten";
  static constexpr bool in_place = true;

  /// Not sequences whose lengths differ: their positions are not a number of features.
  static constexpr bool accepts(shape in) { return in.axis == 0; }
  static constexpr shape output(shape in) { return features(in.size()); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    if (x != y) ctx.device.copy(y, x, input_elements(ctx) * sizeof(S));
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    if (dx != dy) ctx.device.copy(dx, dy, input_elements(ctx) * sizeof(S));
  }
};

}  // namespace foal
