// A branch made smaller: what keeps the sum of many residual branches of the size of one activation.
#pragma once

#include <cmath>

#include <foal/layer/contract.hpp>
#include <foal/layer/elements.hpp>

namespace sweep {

/// y = x / sqrt(Blocks), for the end of each of as many residual branches.
template <int Blocks>
struct shrink {
  static_assert(Blocks >= 1);
  static constexpr char const* name = "shrink";
  static constexpr bool in_place = true;

  static constexpr foal::shape output(foal::shape in) { return in; }
  static constexpr long long flops(foal::shape in) { return in.size(); }

  template <class S>
  struct element {
    S factor;
    FOAL_HOST_DEVICE void operator()(S const& x, S& y) const { y = factor * x; }
  };

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const>, S* y, foal::saved<S>) {
    scale(ctx, x, y);
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, foal::weights<S const>, foal::saved<S>, S* dx) {
    scale(ctx, dy, dx);
  }

 private:
  template <class C, class S>
  static void scale(C& ctx, S const* from, S* to) {
    std::size_t const n = foal::input_elements(ctx);
    ctx.device.map(n, element<S>{static_cast<S>(1 / std::sqrt(static_cast<double>(Blocks)))}, from, to);
  }
};

}  // namespace sweep
