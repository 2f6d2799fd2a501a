// Two-dimensional convolution.
#pragma once

#include <foal/device/framed.hpp>
#include <foal/device/ops.hpp>
#include <foal/layer/bias.hpp>
#include <foal/layer/contract.hpp>

namespace foal {

/// Out filters of Kernel x Kernel over a feature map, zero padding; by default stride 1 keeps the extent (odd kernels).
/// Weight [kernel row, kernel column, in channels, Out], row-major; bias [Out].
template <int Out, int Kernel, int Stride = 1, int Padding = (Kernel - 1) / 2, bias With = bias::per_channel>
struct conv {
  static_assert(Out > 0 && Kernel > 0 && Stride > 0 && Padding >= 0,
                "cannot make a conv layer, because filters, kernel or stride are not positive or padding is negative; give "
                "conv<filters, kernel, stride, padding> with at least 1, 1, 1, 0");
  static constexpr char const* name = "conv";
  using ops = type_list<device::ops::convolutions, device::ops::rows>;
  static constexpr until input_kept = until::W;

  static constexpr device::window window(shape in) { return device::window_over(in, Kernel, Stride, Padding); }
  static constexpr bool accepts(shape in) { return in.rank == 3 && window(in).positions() > 0; }
  static constexpr shape output(shape in) { return image(Out, window(in).out_height(), window(in).out_width()); }
  static constexpr list<parameter> parameters(shape in) {
    initial const start{initial::kind::uniform, 1.0 / 3, window(in).depth()};
    parameter const weight{"weight", {4, {Kernel, Kernel, in.channels(), Out}}, start, true};
    if constexpr (With == bias::none) return {weight};
    return {weight, parameter{"bias", features(Out), start, false}};
  }
  static constexpr amount scratch(shape in) { return {device::framed_elements(window(in), Out), 0}; }
  static constexpr long long flops(shape in) { return 2LL * window(in).positions() * window(in).depth() * Out; }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S>) {
    ctx.device.convolve(window(ctx.in), Out, ctx.samples, x, w[0], y, ctx.scratch);
    if constexpr (With != bias::none) ctx.device.add_to_rows(ctx.samples * window(ctx.in).positions(), Out, w[1], y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S>, S* dx) {
    ctx.device.convolve_gradient(window(ctx.in), Out, ctx.samples, dy, w[0], dx, ctx.scratch);
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    ctx.device.convolve_weight_gradient(window(ctx.in), Out, ctx.samples, s.x, dy, dw[0], ctx.scratch);
    if constexpr (With != bias::none) ctx.device.sum_of_rows(ctx.samples * window(ctx.in).positions(), Out, dy, dw[1]);
  }
};

/// A convolution before a norm, which would cancel a bias.
template <int Out, int Kernel, int Stride = 1, int Padding = (Kernel - 1) / 2>
using conv_no_bias = conv<Out, Kernel, Stride, Padding, bias::none>;

}  // namespace foal
