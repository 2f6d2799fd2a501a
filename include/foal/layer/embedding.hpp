// Token ids to vectors, and vectors to scores of tokens: the two ends of a language model, with weights of one shape.
#pragma once

#include <cmath>

#include <foal/device/ops.hpp>
#include <foal/layer/bias.hpp>
#include <foal/layer/contract.hpp>

namespace foal {

/// Whether embeddings are multiplied by sqrt(width), as Vaswani et al. do (section 3.4).
enum class embedding_scale { none, sqrt_width };

namespace detail {

/// Shared by embedding and logits, so that they can be tied: [vocabulary, width], normal with variance 1 / width.
constexpr parameter token_weight(int vocabulary, int width, bool read_in_backward) {
  return {"weight", {2, {vocabulary, width, 1, 1}}, {initial::kind::normal, 1, width}, read_in_backward};
}

template <embedding_scale Scale, int Width, class S>
S embedding_factor() {
  return Scale == embedding_scale::none ? S(1) : static_cast<S>(std::sqrt(static_cast<double>(Width)));
}

}  // namespace detail

/// y = weight[x] (times sqrt(Width)): x is a sequence of one id a position, 0 .. Vocabulary - 1, exact as a scalar below
/// 2^24. An id outside gives NaN and no gradient: data loaders refuse it. Ids have no gradient: dx is 0.
template <int Vocabulary, int Width, embedding_scale Scale = embedding_scale::none>
struct embedding {
  static_assert(Vocabulary > 0 && Vocabulary <= 1 << 24 && Width > 0,
                "cannot make an embedding, because it needs 1 to 2^24 tokens (ids travel as floats) and a positive width");
  static constexpr char const* name = "embedding";
  using ops = type_list<device::ops::embeddings>;
  static constexpr bool ragged = true, segmented = true;
  static constexpr until input_kept = until::W;

  static constexpr bool accepts(shape in) { return in.rank == 2 && in.channels() == 1; }
  static constexpr shape output(shape in) { return with_channels(in, Width); }
  static constexpr list<parameter> parameters(shape) { return {detail::token_weight(Vocabulary, Width, false)}; }
  static constexpr long long flops(shape in) {
    return Scale == embedding_scale::none ? 0 : static_cast<long long>(Width) * in.positions();
  }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S>) {
    ctx.device.embed(rows_of(ctx), Vocabulary, Width, x, w[0], scale<S>(), y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const*, weights<S const>, saved<S>, S* dx) {
    ctx.device.zero(dx, static_cast<std::size_t>(rows_of(ctx)) * sizeof(S));
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    ctx.device.embed_gradient(rows_of(ctx), Vocabulary, Width, s.x, dy, scale<S>(), dw[0]);
  }

 private:
  template <class S>
  static S scale() {
    return detail::embedding_factor<Scale, Width, S>();
  }
  template <class C>
  static int rows_of(C const& ctx) {
    return ctx.samples * ctx.in.positions();
  }
};

/// y = x weight^T (+ b), a score for each token, at each position: weight [Vocabulary, width], as an embedding has it.
template <int Vocabulary, bias With = bias::none>
struct logits {
  static_assert(Vocabulary > 0, "cannot make a logits layer, because its vocabulary is empty; give Vocabulary >= 1");
  static constexpr char const* name = "logits";
  using ops = type_list<device::ops::products, device::ops::rows>;
  static constexpr bool ragged = true, segmented = true;
  static constexpr until input_kept = until::W;

  static constexpr bool accepts(shape in) { return in.rank == 1 || in.rank == 2; }
  static constexpr shape output(shape in) { return with_channels(in, Vocabulary); }
  static constexpr list<parameter> parameters(shape in) {
    parameter const weight = detail::token_weight(Vocabulary, in.channels(), true);
    if constexpr (With == bias::none) return {weight};
    return {weight, parameter{"bias", features(Vocabulary), {initial::kind::constant, 0, 1}, false}};
  }
  static constexpr long long flops(shape in) { return 2LL * in.size() * Vocabulary; }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S>) {
    ctx.device.product_nt(rows_of(ctx), Vocabulary, ctx.in.channels(), x, w[0], y, false);
    if constexpr (With != bias::none) ctx.device.add_to_rows(rows_of(ctx), Vocabulary, w[1], y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S>, S* dx) {
    ctx.device.product_nn(rows_of(ctx), ctx.in.channels(), Vocabulary, dy, w[0], dx, false);
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    ctx.device.product_tn(Vocabulary, ctx.in.channels(), rows_of(ctx), dy, s.x, dw[0], true);
    if constexpr (With != bias::none) ctx.device.sum_of_rows(rows_of(ctx), Vocabulary, dy, dw[1]);
  }

 private:
  template <class C>
  static int rows_of(C const& ctx) {
    return ctx.samples * ctx.in.positions();
  }
};

}  // namespace foal
