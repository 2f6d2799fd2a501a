// A skip connection without weights where an image is halved: every second pixel, and channels of zeros beside the old ones.
#pragma once

#include <foal/layer/contract.hpp>

namespace sweep {

/// Option A of He et al. 2016, section 3.3: (c, h, w) -> (Factor c, h/2, w/2). Heights and widths are even.
template <int Factor>
struct widen {
  static_assert(Factor >= 1);
  static constexpr char const* name = "widen";

  static constexpr bool accepts(foal::shape in) { return in.height() % 2 == 0 && in.width() % 2 == 0; }
  static constexpr foal::shape output(foal::shape in) {
    return foal::image(Factor * in.channels(), in.height() / 2, in.width() / 2);
  }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const>, S* y, foal::saved<S>) {
    each_pixel(ctx, [&](long long from, long long to, int channels) {
      for (int c = 0; c < Factor * channels; ++c) y[to + c] = c < channels ? x[from + c] : S(0);
    });
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, foal::weights<S const>, foal::saved<S>, S* dx) {
    for (long long i = 0; i < static_cast<long long>(ctx.samples) * ctx.in.size(); ++i) dx[i] = S(0);
    each_pixel(ctx, [&](long long from, long long to, int channels) {
      for (int c = 0; c < channels; ++c) dx[from + c] = dy[to + c];
    });
  }

 private:
  /// Calls f(offset of an input pixel that is kept, offset of its output pixel, input channels).
  template <class C, class F>
  static void each_pixel(C const& ctx, F f) {
    int const height = ctx.in.height(), width = ctx.in.width(), channels = ctx.in.channels();
    long long to = 0;
    for (long long i = 0; i < ctx.samples; ++i)
      for (int h = 0; h < height; h += 2)
        for (int w = 0; w < width; w += 2, to += static_cast<long long>(Factor) * channels)
          f(((i * height + h) * width + w) * channels, to, channels);
  }
};

}  // namespace sweep
