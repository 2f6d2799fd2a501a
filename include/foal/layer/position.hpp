// Encodings of the position, added to a sequence.
#pragma once

#include <foal/device/ops.hpp>
#include <foal/layer/contract.hpp>
#include <foal/layer/elements.hpp>
#include <foal/layer/samples.hpp>

namespace foal {

namespace detail {

/// Adds row p of `table` to position p of every sample of y; the table begins with the first position that is here.
template <class C, class S>
void add_by_position(C& ctx, S const* table, S* y) {
  if (ctx.bounds.begin == nullptr) return ctx.device.add_to_rows(ctx.samples, ctx.in.size(), table, y);
  for (int i = 0; i < ctx.bounds.samples; ++i) {
    sample_place const at = place_of_sample(ctx, i);
    ctx.device.add_to_rows(1, at.positions * ctx.in.channels(), table, y + elements_before(ctx, at.first));
  }
}

}  // namespace detail

/// y = x + PE, PE[p, 2i] = sin(p / 10000^(2i / width)), PE[p, 2i + 1] = cos(the same): Vaswani et al., Attention Is All You
/// Need, section 3.5.
struct sinusoidal_position {
  static constexpr char const* name = "sinusoidal_position";
  using ops = type_list<device::ops::sinusoids, device::ops::rows>;
  using segment_ops = type_list<device::ops::sinusoids_from>;
  static constexpr bool ragged = true, segmented = true;
  static constexpr bool in_place = true;

  static constexpr bool accepts(shape in) { return in.rank == 2; }
  static constexpr shape output(shape in) { return in; }
  static constexpr amount scratch(shape in) { return {in.size(), 0}; }
  static constexpr long long flops(shape in) { return in.size(); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    bool later = false;
    if constexpr (device::ops::sinusoids_from::in<typename C::device_type, S>) {
      later = ctx.segment.first() > 0;
      if (later) ctx.device.sinusoids(ctx.segment.first(), ctx.in.positions(), ctx.in.channels(), ctx.scratch);
    }
    if (!later) ctx.device.sinusoids(longest_sample(ctx), ctx.in.channels(), ctx.scratch);
    if (y != x) ctx.device.copy(y, x, input_elements(ctx) * sizeof(S));
    detail::add_by_position(ctx, static_cast<S const*>(ctx.scratch), y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    if (dx != dy) ctx.device.copy(dx, dy, input_elements(ctx) * sizeof(S));
  }
};

/// y = x + w, with a trained vector for each position: w [longest, width]. A shorter sequence takes the first ones.
struct learned_position {
  static constexpr char const* name = "learned_position";
  using ops = type_list<device::ops::rows>;
  static constexpr bool ragged = true, segmented = true;
  static constexpr bool in_place = true;

  static constexpr bool accepts(shape in) { return in.rank == 2; }
  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape in) {
    return {
        parameter{"weight", {2, {in.positions(), in.channels(), 1, 1}}, {initial::kind::normal, 1, in.channels()}, false}};
  }
  static constexpr long long flops(shape in) { return in.size(); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S>) {
    if (y != x) ctx.device.copy(y, x, input_elements(ctx) * sizeof(S));
    detail::add_by_position(ctx, w[0] + elements_before(ctx, ctx.segment.first()), y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    if (dx != dy) ctx.device.copy(dx, dy, input_elements(ctx) * sizeof(S));
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S>, weights<S> dw) {
    S* const to = dw[0] + elements_before(ctx, ctx.segment.first());
    if (ctx.bounds.begin == nullptr) return ctx.device.sum_of_rows(ctx.samples, ctx.in.size(), dy, to);
    for (int i = 0; i < ctx.bounds.samples; ++i) {
      sample_place const at = place_of_sample(ctx, i);
      ctx.device.sum_of_rows(1, at.positions * ctx.in.channels(), dy + elements_before(ctx, at.first), to);
    }
  }
};

}  // namespace foal
