// Layer normalisation.
#pragma once

#include <foal/device/ops.hpp>
#include <foal/layer/contract.hpp>

namespace foal {

/// The channels of each position are normalised by their own mean and variance, then scaled and shifted by channel (Ba,
/// Kiros, Hinton: Layer Normalization; epsilon as in PyTorch). Independent of the microbatch, of other positions and of the
/// phase. Takes vectors, sequences and feature maps. Keeps the normalised values until W.
struct layer_norm {
  static constexpr char const* name = "layer_norm";
  using ops = type_list<device::ops::layer_normalisations, device::ops::rows, device::ops::row_products>;
  static constexpr bool ragged = true, segmented = true;
  static constexpr double epsilon = 1e-5;

  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape in) {
    return {parameter{"gamma", features(in.channels()), {initial::kind::constant, 1, 1}, true},
            parameter{"beta", features(in.channels()), {initial::kind::constant, 0, 1}, false}};
  }
  static constexpr list<kept_entry> kept(shape in) {
    return {kept_entry{{0, in.size()}, until::W}, kept_entry{{0, in.positions()}, until::B}};
  }
  static constexpr long long flops(shape in) { return 8LL * in.size(); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S> s) {
    bool const keep = ctx.phase != phase::evaluate;
    ctx.device.layer_normalise(rows_of(ctx), ctx.in.channels(), epsilon, x, w[0], w[1], keep ? s.at(0) : nullptr,
                               keep ? s.at(1) : nullptr, y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx) {
    ctx.device.layer_normalise_gradient(rows_of(ctx), ctx.in.channels(), dy, s.at(0), s.at(1), w[0], dx);
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    ctx.device.sum_of_row_products(rows_of(ctx), ctx.in.channels(), dy, s.at(0), dw[0]);
    ctx.device.sum_of_rows(rows_of(ctx), ctx.in.channels(), dy, dw[1]);
  }

 private:
  template <class C>
  static int rows_of(C const& ctx) {
    return ctx.samples * ctx.in.positions();
  }
};

}  // namespace foal
