// Group normalisation.
#pragma once

#include <foal/device/ops.hpp>
#include <foal/layer/contract.hpp>

namespace foal {

/// Each sample is normalised over its positions and the neighbouring channels of each of Groups groups, then scaled and
/// shifted by channel: no statistics, the same in training and evaluation, independent of the microbatch. Keeps the
/// normalised values.
template <int Groups>
struct group_norm {
  static_assert(Groups > 0,
                "cannot make a group_norm layer, because it has no groups; give group_norm<groups> of at least 1");
  static constexpr char const* name = "group_norm";
  using ops = type_list<device::ops::group_normalisations, device::ops::rows, device::ops::row_products>;
  static constexpr double epsilon = 1e-5;

  static constexpr bool accepts(shape in) { return in.channels() % Groups == 0; }
  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape in) {
    return {parameter{"gamma", features(in.channels()), {initial::kind::constant, 1, 1}, true},
            parameter{"beta", features(in.channels()), {initial::kind::constant, 0, 1}, false}};
  }
  static constexpr list<kept_entry> kept(shape in) {
    return {kept_entry{{0, in.size()}, until::W}, kept_entry{{0, Groups}, until::B}};
  }
  static constexpr amount scratch(shape in) { return {4LL * in.channels(), 0}; }
  static constexpr long long flops(shape in) { return 8LL * in.size(); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S> s) {
    bool const keep = ctx.phase != phase::evaluate;
    ctx.device.group_normalise(ctx.samples, ctx.in.height() * ctx.in.width(), ctx.in.channels(), Groups, epsilon, x, w[0],
                               w[1], keep ? s.at(0) : nullptr, keep ? s.at(1) : nullptr, y, ctx.scratch);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx) {
    ctx.device.group_normalise_gradient(ctx.samples, ctx.in.height() * ctx.in.width(), ctx.in.channels(), Groups, dy,
                                        s.at(0), s.at(1), w[0], dx, ctx.scratch);
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    int const rows = ctx.samples * ctx.in.height() * ctx.in.width();
    ctx.device.sum_of_row_products(rows, ctx.in.channels(), dy, s.at(0), dw[0]);
    ctx.device.sum_of_rows(rows, ctx.in.channels(), dy, dw[1]);
  }
};

}  // namespace foal
