// A decoder-only Transformer that predicts the next token (Radford et al. 2019): learned positions, norms before, GELU.
#pragma once

#include <foal/layer/embedding.hpp>
#include <foal/layer/gelu.hpp>
#include <foal/layer/gelu_tanh.hpp>
#include <foal/layer/position.hpp>
#include <foal/model/stages.hpp>
#include <foal/zoo/blocks.hpp>
#include <foal/zoo/vocabulary.hpp>

namespace foal::zoo {

struct gpt_size {
  int layers = 12, width = 768, heads = 12;
  int vocabulary = 50257;
  int longest = 1024;  ///< tokens of a window
  int dropout_percent = 10;
  bool tied = true;          ///< one matrix for the embedding and the scores
  int vocabulary_parts = 1;  ///< stages that embedding and output layer are spread over, each; 1: they are whole
  bool tanh_gelu = false;    ///< gelu_tanh, which GPT-2's published weights were trained with
};

namespace detail {

struct gpt_matrix;

template <gpt_size Z>
using gpt_layer = together<self_attention_block<norm::before, Z.width, Z.heads, mask::causal, void, Z.dropout_percent>,
                           feed_forward_block<norm::before, Z.width, 4 * Z.width, Z.dropout_percent,
                                              std::conditional_t<Z.tanh_gelu, gelu_tanh, gelu>>>;

template <gpt_size Z, class Layer>
using gpt_tied = std::conditional_t<Z.tied, tied<gpt_matrix, Layer>, Layer>;

template <gpt_size Z>
using gpt_blocks =
    together<learned_position, dropout_or_nothing<Z.dropout_percent>, repeat<Z.layers, gpt_layer<Z>>, layer_norm>;

template <gpt_size Z, bool InParts = (Z.vocabulary_parts > 1)>
struct gpt_of {
  using type = stages<tokens<Z.longest, 1>, gpt_tied<Z, embedding<Z.vocabulary, Z.width>>, gpt_blocks<Z>,
                      gpt_tied<Z, logits<Z.vocabulary>>>;
};
template <gpt_size Z>
struct gpt_of<Z, true> {
  static constexpr vocabulary_in_parts parts{Z.vocabulary, Z.vocabulary_parts, Z.width, Z.tied};
  using type = stages<inputs<tokens<Z.longest, 1>, named<next_tokens, targets<Z.longest, 1>>>, embedding_in_parts<parts>,
                      gpt_blocks<Z>, logits_in_parts<parts>>;
};

}  // namespace detail

/// Input: windows of tokens. Output: a score for each token as the next one, at each position. With Z.vocabulary_parts above
/// 1 what a loss needs of the scores (device::joined_scores) instead: it trains and evaluates with gpt_loss, and does not
/// predict; the first and the last vocabulary_parts stages are the parts, for schedule::vocabulary_1f1b.
template <gpt_size Z>
struct gpt : detail::gpt_of<Z>::type {
  static constexpr gpt_size size = Z;
};

/// Its loss.
template <gpt_size Z>
using gpt_loss = loss_over<Z.vocabulary, Z.vocabulary_parts>;

}  // namespace foal::zoo
