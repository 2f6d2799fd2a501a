// Dropout.
#pragma once

#include <cstdint>

#include <foal/device/ops.hpp>
#include <foal/layer/contract.hpp>
#include <foal/layer/elements.hpp>
#include <foal/layer/samples.hpp>

namespace foal {

/// Each element is 0 with probability p = Numerator / Denominator, else x / (1 - p); evaluation passes x on. The mask is
/// drawn again in backward from (seed, layer, sample, element), so nothing is kept and microbatches of any size give the
/// same one.
template <int Numerator, int Denominator = 100>
struct dropout {
  static_assert(
      0 <= Numerator && Numerator < Denominator && Denominator <= 1 << 20,
      "cannot make a dropout layer, because the probability is not in [0, 1) or its denominator is above 2^20; give "
      "dropout<numerator, denominator>, such as dropout<10> for 10 %");
  static constexpr char const* name = "dropout";
  using ops = type_list<device::ops::dropouts>;
  using segment_ops = type_list<device::ops::dropouts_from>;
  static constexpr bool ragged = true, segmented = true;
  static constexpr bool in_place = true;

  static constexpr shape output(shape in) { return in; }
  static constexpr long long flops(shape in) { return in.size(); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    if (ctx.phase != phase::evaluate) return apply<C, S>(ctx, x, y);
    if (x != y) ctx.device.copy(y, x, input_elements(ctx) * sizeof(S));
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    apply<C, S>(ctx, dy, dx);
  }

 private:
  // Of the 2^24 values that an element draws, the lowest threshold(p) are dropped.
  static constexpr std::uint32_t threshold =
      static_cast<std::uint32_t>(((std::uint64_t{Numerator} << 24U) + Denominator - 1) / Denominator);

  template <class C, class S>
  static void apply(C& ctx, S const* from, S* to) {
    random_key key = ctx.random;
    key.use = purpose::dropout;
    S const scale = static_cast<S>(Denominator) / static_cast<S>(Denominator - Numerator);
    auto const drop = [&](int samples, int elements, S const* x, S* y) {
      if constexpr (device::asynchronous<typename C::device_type>)
        ctx.device.dropout(samples, elements, key, threshold, scale, x, y, ctx.first_sample);
      else
        ctx.device.dropout(samples, elements, key, threshold, scale, x, y);
    };
    if constexpr (device::ops::dropouts_from::in<typename C::device_type, S>)
      if (ctx.segment.first() > 0) {  // the mask that the elements would have in the whole sequence
        std::ptrdiff_t const before = elements_before(ctx, ctx.segment.first());
        if constexpr (device::asynchronous<typename C::device_type>)
          ctx.device.dropout_from(ctx.samples, ctx.in.size(), key, threshold, scale, from, to, before, ctx.first_sample);
        else
          ctx.device.dropout_from(ctx.samples, ctx.in.size(), key, threshold, scale, from, to, before);
        return;
      }
    if (ctx.bounds.begin == nullptr) return drop(ctx.samples, ctx.in.size(), from, to);
    for (int i = 0; i < ctx.bounds.samples; ++i, ++key.sample) {  // the mask that the sample would have with padding
      sample_place const at = place_of_sample(ctx, i);
      std::ptrdiff_t const skip = elements_before(ctx, at.first);
      drop(1, at.positions * ctx.in.channels(), from + skip, to + skip);
    }
  }
};

}  // namespace foal
