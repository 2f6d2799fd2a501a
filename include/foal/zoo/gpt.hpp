// A decoder-only Transformer that predicts the next token (Radford et al. 2019): learned positions, norms before, GELU.
#pragma once

#include <foal/layer/embedding.hpp>
#include <foal/layer/gelu.hpp>
#include <foal/layer/position.hpp>
#include <foal/model/stages.hpp>
#include <foal/zoo/blocks.hpp>

namespace foal::zoo {

struct gpt_size {
  int layers = 12, width = 768, heads = 12;
  int vocabulary = 50257;
  int longest = 1024;  ///< tokens of a window
  int dropout_percent = 10;
  bool tied = true;  ///< one matrix for the embedding and the scores
};

namespace detail {

struct gpt_matrix;

template <gpt_size Z>
using gpt_layer = together<self_attention_block<norm::before, Z.width, Z.heads, mask::causal, void, Z.dropout_percent>,
                           feed_forward_block<norm::before, Z.width, 4 * Z.width, Z.dropout_percent, gelu>>;

template <gpt_size Z, class Layer>
using gpt_tied = std::conditional_t<Z.tied, tied<gpt_matrix, Layer>, Layer>;

}  // namespace detail

/// Input: windows of tokens. Output: a score for each token as the next one, at each position.
template <gpt_size Z>
struct gpt : stages<tokens<Z.longest, 1>, detail::gpt_tied<Z, embedding<Z.vocabulary, Z.width>>, learned_position,
                    detail::dropout_or_nothing<Z.dropout_percent>, repeat<Z.layers, detail::gpt_layer<Z>>, layer_norm,
                    detail::gpt_tied<Z, logits<Z.vocabulary>>> {
  static constexpr gpt_size size = Z;
};

}  // namespace foal::zoo
