// A vocabulary spread over stages: the two ends of a language model, part by part.
#pragma once

#include <type_traits>
#include <utility>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/vocabulary_cross_entropy.hpp>
#include <foal/layer/vocabulary.hpp>
#include <foal/model/elements.hpp>
#include <foal/zoo/blocks.hpp>

namespace foal::zoo {

/// The model's input that holds the targets.
struct next_tokens;

/// The loss of a model whose vocabulary is in so many parts.
template <int Vocabulary, int Parts>
using loss_over = std::conditional_t<(Parts > 1), loss::vocabulary_cross_entropy<Vocabulary>, loss::cross_entropy>;

namespace detail {

/// tied: part k of the embedding and part k of the output layer are one matrix.
struct vocabulary_in_parts {
  int vocabulary = 1, parts = 1, width = 1;
  bool tied = false;
};

struct token_ids;
struct hidden_activations;

/// The matrix of a part.
template <int Index>
struct matrix_part;
template <bool Tied, int Index, class Layer>
using tied_part = std::conditional_t<Tied, tied<matrix_part<Index>, Layer>, Layer>;

template <vocabulary_in_parts Z, class Indices>
struct ends_in_parts;
template <vocabulary_in_parts Z, int... I>
struct ends_in_parts<Z, std::integer_sequence<int, I...>> {
  using embedding = together<save<token_ids>,
                             stage<tied_part<Z.tied, I, embedding_part<Z.vocabulary, Z.parts, I, Z.width, token_ids>>>...>;
  using logits = together<
      save<hidden_activations>,
      stage<tied_part<Z.tied, I, logits_part<Z.vocabulary, Z.parts, I, Z.width, next_tokens, hidden_activations>>>...>;
};
template <vocabulary_in_parts Z>
using ends_of = ends_in_parts<Z, std::make_integer_sequence<int, Z.parts>>;

/// Z.parts stages, from tokens to vectors.
template <vocabulary_in_parts Z>
using embedding_in_parts = typename ends_of<Z>::embedding;
/// Z.parts stages, from vectors to what a loss needs of the scores.
template <vocabulary_in_parts Z>
using logits_in_parts = typename ends_of<Z>::logits;

}  // namespace detail

}  // namespace foal::zoo
