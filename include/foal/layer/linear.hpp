// The fully connected layer.
#pragma once

#include <foal/device/ops.hpp>
#include <foal/layer/bias.hpp>
#include <foal/layer/contract.hpp>

namespace foal {

/// y = x W + b; x [M, in], W [in, Out], b [Out]. Takes a vector (put foal::flatten before it to feed an image), or a
/// sequence: then it is applied at each position, x [M * T, in].
template <int Out, bias With = bias::per_channel>
struct linear {
  static_assert(Out > 0, "cannot make a linear layer without outputs, because Out is not positive; give Out >= 1");
  static constexpr char const* name = "linear";
  using ops = type_list<device::ops::products, device::ops::rows>;
  static constexpr bool ragged = true, segmented = true;
  static constexpr until input_kept = until::W;

  static constexpr bool accepts(shape in) { return in.rank == 1 || in.rank == 2; }
  static constexpr shape output(shape in) { return with_channels(in, Out); }
  static constexpr list<parameter> parameters(shape in) {
    initial const start{initial::kind::uniform, 1.0 / 3, in.channels()};
    parameter const weight{"weight", {2, {in.channels(), Out, 1, 1}}, start, true};
    if constexpr (With == bias::none) return {weight};
    return {weight, parameter{"bias", features(Out), start, false}};
  }
  static constexpr long long flops(shape in) { return 2LL * in.size() * Out; }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S>) {
    if constexpr (in_one<C, S>) {
      ctx.device.product_nn_plus_row(rows_of(ctx), Out, ctx.in.channels(), x, w[0], w[1], y);
    } else {
      ctx.device.product_nn(rows_of(ctx), Out, ctx.in.channels(), x, w[0], y, false);
      if constexpr (With != bias::none) ctx.device.add_to_rows(rows_of(ctx), Out, w[1], y);
    }
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S>, S* dx) {
    ctx.device.product_nt(rows_of(ctx), ctx.in.channels(), Out, dy, w[0], dx, false);
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    if constexpr (in_one<C, S>) {
      ctx.device.product_tn_and_sum_of_rows(ctx.in.channels(), Out, rows_of(ctx), s.x, dy, dw[0], dw[1]);
    } else {
      ctx.device.product_tn(ctx.in.channels(), Out, rows_of(ctx), s.x, dy, dw[0], true);
      if constexpr (With != bias::none) ctx.device.sum_of_rows(rows_of(ctx), Out, dy, dw[1]);
    }
  }

 private:
  template <class C, class S>
  static constexpr bool in_one = With != bias::none && device::ops::products_with_rows::in<typename C::device_type, S>;

  template <class C>
  static int rows_of(C const& ctx) {
    return ctx.samples * ctx.in.positions();
  }
};

}  // namespace foal
