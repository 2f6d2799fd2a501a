// Embedding and output layer of a language model in parts of the vocabulary, each a layer that may have a stage of its own
// (vocabulary parallelism: Yeung, Qi, Lin, Wan, arXiv 2411.05288). Where they use collectives, here what is known of all
// scores so far travels from part to part: two more passes, which are the parts' F and backward.
#pragma once

#include <type_traits>

#include <foal/device/ops.hpp>
#include <foal/layer/contract.hpp>
#include <foal/layer/elements.hpp>
#include <foal/layer/embedding.hpp>

namespace foal {

/// The tokens of part `index`, of `parts`, of a vocabulary: the first vocabulary mod parts have one more.
constexpr device::vocabulary_part part_of_vocabulary(int vocabulary, int parts, int index) {
  int const base = vocabulary / parts, rest = vocabulary % parts;
  return {index * base + (index < rest ? index : rest), base + (index < rest ? 1 : 0)};
}

namespace detail {

/// A part is of a vocabulary that ids can name, and is not empty.
template <int Vocabulary, int Parts, int Index>
struct vocabulary_part_is_sound {
  static_assert(
      Vocabulary > 0 && Vocabulary <= 1 << 24 && Parts > 0 && Parts <= Vocabulary && Index >= 0 && Index < Parts,
      "foal: cannot make this part of a vocabulary, because parts hold 1 token or more of at most 2^24 (ids travel "
      "as floats) and are numbered from 0; give 1 to Vocabulary Parts and an Index below");
};

template <class C>
int rows_of_positions(C const& ctx) {
  return ctx.samples * ctx.in.positions();
}

}  // namespace detail

/// Part Index of embedding<Vocabulary, Width>, with its rows: all of them one after the other give what it gives, to the
/// bit. The first takes the ids; each later one takes what the one before has given, and reads the ids as the entry Ids.
/// Gradients as embedding has them.
template <int Vocabulary, int Parts, int Index, int Width, class Ids, embedding_scale Scale = embedding_scale::none>
struct embedding_part {
  static_assert(sizeof(detail::vocabulary_part_is_sound<Vocabulary, Parts, Index>) > 0);
  static_assert(Width > 0, "foal: cannot make a part of an embedding without a width; give Width >= 1");
  static constexpr char const* name = "embedding_part";
  using ops = type_list<device::ops::vocabulary_parts>;
  static constexpr bool first = Index == 0;
  using reads = std::conditional_t<first, type_list<>, type_list<Ids>>;
  static constexpr bool ragged = true;
  static constexpr bool in_place = !first;
  static constexpr until input_kept = first ? until::W : until::forward, reads_kept = until::W;
  static constexpr auto part = part_of_vocabulary(Vocabulary, Parts, Index);

  static constexpr bool accepts(shape in) { return in.rank == 2 && in.channels() == (first ? 1 : Width); }
  static constexpr bool accepts_read(int, shape in, shape other) { return other == with_channels(in, 1); }
  static constexpr shape output(shape in) { return with_channels(in, Width); }
  static constexpr list<parameter> parameters(shape) { return {detail::token_weight(part.count, Width, false)}; }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S>) {
    S const* ids = x;
    if constexpr (!first) {
      ids = ctx.read[0];
      if (y != x) ctx.device.copy(y, x, input_elements(ctx) * sizeof(S));
    }
    ctx.device.embed_part(detail::rows_of_positions(ctx), part, Vocabulary, Width, ids, w[0], scale<S>(), y);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    if constexpr (first)
      ctx.device.zero(dx, input_elements(ctx) * sizeof(S));
    else if (dx != dy)
      ctx.device.copy(dx, dy, input_elements(ctx) * sizeof(S));
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    S const* ids = s.x;
    if constexpr (!first) ids = ctx.read[0];
    ctx.device.embed_part_gradient(detail::rows_of_positions(ctx), part, Width, ids, dy, scale<S>(), dw[0]);
  }

 private:
  template <class S>
  static S scale() {
    return detail::embedding_factor<Scale, Width, S>();
  }
};

/// Part Index of logits<Vocabulary> with the softmax behind it: what is known of the scores so far (device::joined_scores, a
/// row a position) joined with those of its rows. All parts one after the other, then loss::vocabulary_cross_entropy, are
/// logits and loss::cross_entropy but for rounding. The first takes the activations, which each later one reads as the entry
/// Hidden; all read the targets as the entry Targets. Keeps the exponentials of its scores until W.
template <int Vocabulary, int Parts, int Index, int Width, class Targets, class Hidden>
struct logits_part {
  static_assert(sizeof(detail::vocabulary_part_is_sound<Vocabulary, Parts, Index>) > 0);
  static_assert(Width > 0, "foal: cannot make a part of an output layer without a width; give Width >= 1");
  static constexpr char const* name = "logits_part";
  using ops = type_list<device::ops::products, device::ops::vocabulary_parts>;
  static constexpr bool first = Index == 0;
  using reads = std::conditional_t<first, type_list<Targets>, type_list<Targets, Hidden>>;
  static constexpr bool ragged = true;
  static constexpr bool exact = true;
  static constexpr until input_kept = first ? until::W : until::forward, reads_kept = until::W;
  static constexpr auto part = part_of_vocabulary(Vocabulary, Parts, Index);
  static constexpr int columns = device::joined_scores::columns;

  static constexpr bool accepts(shape in) { return in.rank == 2 && in.channels() == (first ? Width : columns); }
  static constexpr bool accepts_read(int i, shape in, shape other) { return other == with_channels(in, i == 0 ? 1 : Width); }
  static constexpr shape output(shape in) { return with_channels(in, columns); }
  static constexpr list<parameter> parameters(shape) { return {detail::token_weight(part.count, Width, true)}; }
  static constexpr list<kept_entry> kept(shape in) {
    return {kept_entry{{0, static_cast<long long>(in.positions()) * part.count}, until::W},
            kept_entry{{0, 2LL * in.positions()}, until::W}};
  }
  static constexpr amount scratch(shape in) { return {0, static_cast<long long>(in.positions()) * part.count}; }
  static constexpr long long flops(shape in) { return 2LL * in.positions() * Width * part.count; }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S> s) {
    int const rows = detail::rows_of_positions(ctx);
    ctx.device.product_nt(rows, part.count, Width, hidden(ctx, x), w[0], s.at(0), false);
    ctx.device.join_scores(rows, part, ctx.read[0], first ? nullptr : x, s.at(0), y, s.at(1));
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx) {
    give_input_gradient(ctx, score_gradient(ctx, dy, s, first ? nullptr : dx), w, dx);
  }

  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    add_weight_gradient(ctx, score_gradient(ctx, dy, s, static_cast<S*>(nullptr)), s, dw);
  }

  template <class C, class S = typename C::scalar>
  static void backward(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx, weights<S> dw) {
    S const* const dz = score_gradient(ctx, dy, s, first ? nullptr : dx);
    add_weight_gradient(ctx, dz, s, dw);
    give_input_gradient(ctx, dz, w, dx);
  }

 private:
  template <class C, class S>
  static S const* hidden(C const& ctx, S const* x) {
    if constexpr (first) return x;
    return ctx.read[1];
  }
  template <class C, class S>
  static S const* score_gradient(C& ctx, S const* dy, saved<S> s, S* dbefore) {
    ctx.device.join_scores_gradient(detail::rows_of_positions(ctx), part, ctx.read[0], static_cast<S const*>(s.at(0)),
                                    static_cast<S const*>(s.at(1)), dy, ctx.scratch, dbefore);
    return ctx.scratch;
  }
  template <class C, class S>
  static void give_input_gradient(C& ctx, S const* dz, weights<S const> w, S* dx) {
    S* const to = first ? dx : ctx.read_gradient == nullptr ? nullptr : ctx.read_gradient[1];
    if (to == nullptr) return;
    ctx.device.product_nn(detail::rows_of_positions(ctx), Width, part.count, dz, w[0], to, !first);
  }
  template <class C, class S>
  static void add_weight_gradient(C& ctx, S const* dz, saved<S> s, weights<S> dw) {
    ctx.device.product_tn(part.count, Width, detail::rows_of_positions(ctx), dz, hidden(ctx, s.x), dw[0], true);
  }
};

}  // namespace foal
