// Maximum over windows.
#pragma once

#include <foal/device/ops.hpp>
#include <foal/device/window.hpp>
#include <foal/layer/contract.hpp>

namespace foal {

/// The largest of each Kernel x Kernel window, per channel; of a window that reaches into the padding, of what is inside.
/// Keeps one byte per output until B: which it was.
template <int Kernel, int Stride = Kernel, int Padding = 0>
struct max_pool {
  static_assert(
      Kernel > 0 && Kernel <= 16 && Stride > 0 && 0 <= Padding && 2 * Padding <= Kernel,
      "cannot make a max_pool layer, because the kernel is outside 1..16, the stride is not positive or the padding "
      "is outside 0..kernel/2; give max_pool<kernel, stride, padding> within those");
  static constexpr char const* name = "max_pool";
  using ops = type_list<device::ops::max_pools>;

  static constexpr device::window window(shape in) { return device::window_over(in, Kernel, Stride, Padding); }
  static constexpr bool accepts(shape in) { return in.rank == 3 && window(in).positions() > 0; }
  static constexpr shape output(shape in) { return image(in.channels(), window(in).out_height(), window(in).out_width()); }
  static constexpr list<kept_entry> kept(shape in) { return {kept_entry{{0, output(in).size()}, until::B, element::uint8}}; }
  static constexpr long long flops(shape in) { return 1LL * Kernel * Kernel * output(in).size(); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S> s) {
    ctx.device.max_pool(window(ctx.in), ctx.samples, x, y,
                        ctx.phase == phase::evaluate ? nullptr : s.template at<unsigned char>(0));
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S> s, S* dx) {
    ctx.device.max_pool_gradient(window(ctx.in), ctx.samples, dy, s.template at<unsigned char const>(0), dx);
  }
};

}  // namespace foal
