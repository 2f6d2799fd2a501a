// Batch normalisation.
#pragma once

#include <cmath>
#include <cstddef>

#include <foal/device/ops.hpp>
#include <foal/layer/contract.hpp>

namespace foal {

/// y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, with the statistics of each channel over the microbatch's
/// samples and positions. Running values move once per forward of training, by 1 - (1 - momentum)^(1/N), so a minibatch of N
/// microbatches moves them by `momentum`, towards the mean and the unbiased variance; evaluation uses them. Where one would
/// not be finite none moves, and the run ends. Keeps the normalised values.
struct batch_norm {
  static constexpr char const* name = "batch_norm";
  using ops = type_list<device::ops::batch_normalisations>;
  static constexpr double momentum = 0.1;
  static constexpr double epsilon = 1e-5;

  /// With one value in a channel the variance is 0 and the gradient too; M must reach this in training.
  static constexpr int least_samples(shape in) { return in.height() * in.width() > 1 ? 1 : 2; }

  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape in) {
    return {parameter{"gamma", features(in.channels()), {initial::kind::constant, 1, 1}, true},
            parameter{"beta", features(in.channels()), {initial::kind::constant, 0, 1}, false}};
  }
  static constexpr list<parameter> buffers(shape in) {
    return {parameter{"running_mean", features(in.channels()), {initial::kind::constant, 0, 1}, false},
            parameter{"running_variance", features(in.channels()), {initial::kind::constant, 1, 1}, false}};
  }
  static constexpr bool looks_late = true;
  static constexpr list<kept_entry> kept(shape in) {
    return {kept_entry{{0, in.size()}, until::W}, kept_entry{{in.channels(), 0}, until::B}};
  }
  static constexpr amount scratch(shape in) { return {2LL * in.channels(), 0}; }
  static constexpr long long flops(shape in) { return 8LL * in.size(); }

  template <class S>
  struct invert {
    FOAL_HOST_DEVICE void operator()(S const& variance, S& inverse) const {
      inverse = S(1) / std::sqrt(variance + static_cast<S>(epsilon));
    }
  };
  template <class S>
  struct move_running {
    S rate, unbias;
    FOAL_HOST_DEVICE void operator()(S const& running_mean, S const& running_variance, S& mean, S& variance) const {
      mean = running_mean + rate * (mean - running_mean);
      variance = running_variance + rate * (variance * unbias - running_variance);
    }
  };

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S> s) {
    int const channels = ctx.in.channels(), rows = rows_of(ctx);
    auto const n = static_cast<std::size_t>(channels);
    S *const mean = ctx.scratch, *const variance = ctx.scratch + channels;
    if (ctx.phase == phase::evaluate) {
      S* const inverse = variance;
      ctx.device.map(n, invert<S>{}, static_cast<S const*>(ctx.buffers[1]), inverse);
      ctx.device.normalise(rows, channels, x, ctx.buffers[0], inverse, w[0], w[1], static_cast<S*>(nullptr), y);
      return;
    }
    ctx.device.moments(rows, channels, x, mean, variance);
    ctx.device.map(n, invert<S>{}, static_cast<S const*>(variance), s.at(1));
    ctx.device.normalise(rows, channels, x, mean, s.at(1), w[0], w[1], s.at(0), y);
    if (ctx.phase == phase::train) {
      move_running<S> const move{static_cast<S>(-std::expm1(std::log1p(-momentum) / ctx.microbatches)),
                                 static_cast<S>(rows) / static_cast<S>(rows - 1)};
      ctx.device.map(n, move, static_cast<S const*>(ctx.buffers[0]), static_cast<S const*>(ctx.buffers[1]), mean, variance);
      S* const moved[] = {mean, variance};
      if (ctx.looks() &&
          !ctx.device.all_finite(2 * n, static_cast<S const*>(mean)))  // they lie together: a device is waited for once
        return ctx.refuse(ctx.device.all_finite(n, static_cast<S const*>(mean)) ? 1 : 0);
      for (int i : {0, 1}) ctx.device.copy(ctx.buffers[i], moved[i], n * sizeof(S));
    }
  }

  struct add_to {
    template <class S>
    FOAL_HOST_DEVICE void operator()(S const& sum, S& total) const {
      total += sum;
    }
  };

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx) {
    sum(ctx, dy, s);
    finish(ctx, dy, w, s, dx);
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    sum(ctx, dy, s);
    add_sums(ctx, dw);
  }

  template <class C, class S = typename C::scalar>
  static void backward(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx, weights<S> dw) {
    sum(ctx, dy, s);
    add_sums(ctx, dw);
    finish(ctx, dy, w, s, dx);
  }

 private:
  template <class C>
  static int rows_of(C const& ctx) {
    return ctx.samples * ctx.in.height() * ctx.in.width();
  }

  /// Both gradients begin with the sums of dy and dy * normal, in the scratch.
  template <class C, class S = typename C::scalar>
  static void sum(C& ctx, S const* dy, saved<S> s) {
    int const channels = ctx.in.channels();
    ctx.device.zero(ctx.scratch, static_cast<std::size_t>(2 * channels) * sizeof(S));
    ctx.device.sums_of_rows_and_products(rows_of(ctx), channels, dy, s.at(0), ctx.scratch, ctx.scratch + channels);
  }
  template <class C, class S = typename C::scalar>
  static void add_sums(C& ctx, weights<S> dw) {
    int const channels = ctx.in.channels();
    auto const n = static_cast<std::size_t>(channels);
    ctx.device.map(n, add_to{}, static_cast<S const*>(ctx.scratch + channels), dw[0]);
    ctx.device.map(n, add_to{}, static_cast<S const*>(ctx.scratch), dw[1]);
  }
  template <class C, class S = typename C::scalar>
  static void finish(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx) {
    int const channels = ctx.in.channels();
    ctx.device.normalise_gradient(rows_of(ctx), channels, dy, s.at(0), s.at(1), w[0], ctx.scratch, ctx.scratch + channels,
                                  dx);
  }
};

}  // namespace foal
