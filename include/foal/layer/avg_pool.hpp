// Mean over windows, and over the whole feature map.
#pragma once

#include <foal/device/ops.hpp>
#include <foal/device/window.hpp>
#include <foal/layer/contract.hpp>

namespace foal {

/// The mean of each Kernel x Kernel window, per channel, without padding.
template <int Kernel, int Stride = Kernel>
struct avg_pool {
  static_assert(
      Kernel > 0 && Stride > 0,
      "cannot make an avg_pool layer, because kernel or stride are not positive; give avg_pool<kernel, stride> of at "
      "least 1");
  static constexpr char const* name = "avg_pool";
  using ops = type_list<device::ops::average_pools>;

  static constexpr device::window window(shape in) { return device::window_over(in, Kernel, Stride, 0); }
  static constexpr bool accepts(shape in) { return in.rank == 3 && window(in).positions() > 0; }
  static constexpr shape output(shape in) { return image(in.channels(), window(in).out_height(), window(in).out_width()); }
  static constexpr long long flops(shape in) { return 1LL * Kernel * Kernel * output(in).size(); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    ctx.device.average_pool(window(ctx.in), ctx.samples, x, y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    ctx.device.average_pool_gradient(window(ctx.in), ctx.samples, dy, dx);
  }
};

/// The mean of each channel over all positions: a feature map becomes a vector.
struct global_avg_pool {
  static constexpr char const* name = "global_avg_pool";
  using ops = type_list<device::ops::means_of_positions>;

  static constexpr bool accepts(shape in) { return in.rank == 3; }
  static constexpr shape output(shape in) { return features(in.channels()); }
  static constexpr long long flops(shape in) { return in.size(); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    ctx.device.mean_of_positions(ctx.samples, ctx.in.height() * ctx.in.width(), ctx.in.channels(), x, y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    ctx.device.mean_of_positions_gradient(ctx.samples, ctx.in.height() * ctx.in.width(), ctx.in.channels(), dy, dx);
  }
};

}  // namespace foal
