// The encoder-decoder Transformer (Vaswani et al. 2017), cut into stages as PipeMare cuts it: every weight matrix and norm.
#pragma once

#include <foal/layer/embedding.hpp>
#include <foal/layer/position.hpp>
#include <foal/model/stages.hpp>
#include <foal/zoo/blocks.hpp>
#include <foal/zoo/vocabulary.hpp>

namespace foal::zoo {

/// Which of the three matrices over tokens are one: none; the decoder's two; or all, which takes one vocabulary.
enum class sharing { none, decoder, all };

/// The defaults are the 12 layers of fairseq's transformer_iwslt_de_en, which PipeMare trained.
struct transformer_size {
  int encoder_layers = 6, decoder_layers = 6;
  int width = 512, heads = 4, hidden = 1024;
  int source_vocabulary = 10000, target_vocabulary = 10000;
  int longest = 64;  ///< tokens of a text, at most
  int dropout_percent = 10;
  norm where = norm::after;
  sharing shared = sharing::none;
  cut stages = cut::weights;
  int vocabulary_parts = 1;  ///< stages that both embeddings, and the output layer, are spread over; 1: they are whole
};

/// Names of the model's entries, for layers of one's own.
struct source_length;
struct target_tokens;
struct memory;

namespace detail {

struct token_matrix;

/// A matrix over tokens: tied where it is shared.
template <bool Shared, class Layer>
using over_tokens = std::conditional_t<Shared, tied<token_matrix, Layer>, Layer>;

template <norm Where>
using last_norm = std::conditional_t<Where == norm::before, layer_norm, together<>>;

template <transformer_size Z>
using embed_source =
    over_tokens<Z.shared == sharing::all, embedding<Z.source_vocabulary, Z.width, embedding_scale::sqrt_width>>;
template <transformer_size Z>
using embed_target =
    over_tokens<Z.shared != sharing::none, embedding<Z.target_vocabulary, Z.width, embedding_scale::sqrt_width>>;
template <transformer_size Z>
using score_tokens = over_tokens<Z.shared != sharing::none, logits<Z.target_vocabulary>>;

/// Behind: what goes with the layer where layers are stages.
template <transformer_size Z, class... Behind>
using encoder_layer =
    layer_of<Z.stages, self_attention_block<Z.where, Z.width, Z.heads, mask::none, source_length, Z.dropout_percent>,
             feed_forward_block<Z.where, Z.width, Z.hidden, Z.dropout_percent>, Behind...>;
template <transformer_size Z, class... Behind>
using decoder_layer =
    layer_of<Z.stages, self_attention_block<Z.where, Z.width, Z.heads, mask::causal, void, Z.dropout_percent>,
             cross_attention_block<Z.where, Z.width, Z.heads, memory, source_length, Z.dropout_percent>,
             feed_forward_block<Z.where, Z.width, Z.hidden, Z.dropout_percent>, Behind...>;

template <transformer_size Z, bool InParts = (Z.vocabulary_parts > 1)>
struct transformer_of {
  using type =
      stages<inputs<tokens<Z.longest, 1>, named<source_length, lengths>, named<target_tokens, tokens<Z.longest, 2>>>,
             layer_of<Z.stages, embed_source<Z>, sinusoidal_position, dropout_or_nothing<Z.dropout_percent>>,
             repeat<Z.encoder_layers, encoder_layer<Z>>,
             layer_of<Z.stages, last_norm<Z.where>, save<memory>, load<target_tokens>, embed_target<Z>, sinusoidal_position,
                      dropout_or_nothing<Z.dropout_percent>>,
             repeat<Z.decoder_layers, decoder_layer<Z>>, layer_of<Z.stages, last_norm<Z.where>, score_tokens<Z>>>;
};

/// Count layers, the last one as given.
template <int Count, class Layer, class Last>
using layers_to = std::conditional_t<Count == 1, Last, together<repeat<Count - 1, Layer>, Last>>;

struct source_ids;
struct target_ids;

template <transformer_size Z, class Indices>
struct transformer_ends;
template <transformer_size Z, int... I>
struct transformer_ends<Z, std::integer_sequence<int, I...>> {
  static constexpr int parts = Z.vocabulary_parts;
  template <int Index>
  using source =
      tied_part<Z.shared == sharing::all, Index,
                embedding_part<Z.source_vocabulary, parts, Index, Z.width, source_ids, embedding_scale::sqrt_width>>;
  template <int Index>
  using target =
      tied_part<Z.shared != sharing::none, Index,
                embedding_part<Z.target_vocabulary, parts, Index, Z.width, target_ids, embedding_scale::sqrt_width>>;
  /// Both embeddings: target tokens go through the encoder as vectors.
  using embedding =
      together<save<source_ids>, branch<target_tokens, target_ids>, stage<source<I>, through<target_tokens, target<I>>>...>;
  using logits = logits_in_parts<vocabulary_in_parts{Z.target_vocabulary, parts, Z.width, Z.shared != sharing::none}>;
};

template <transformer_size Z>
struct transformer_of<Z, true> {
  using ends = transformer_ends<Z, std::make_integer_sequence<int, Z.vocabulary_parts>>;
  using position = together<sinusoidal_position, dropout_or_nothing<Z.dropout_percent>>;
  using type =
      stages<inputs<tokens<Z.longest, 1>, named<source_length, lengths>, named<target_tokens, tokens<Z.longest, 2>>,
                    named<next_tokens, targets<Z.longest, 2>>>,
             typename ends::embedding, position,
             layers_to<Z.encoder_layers, encoder_layer<Z>, encoder_layer<Z, last_norm<Z.where>>>, save<memory>,
             load<target_tokens>, position,
             layers_to<Z.decoder_layers, decoder_layer<Z>, decoder_layer<Z, last_norm<Z.where>>>, typename ends::logits>;
};

}  // namespace detail

/// Inputs: source tokens (axis 1), their number in each sample, target tokens shifted right (axis 2). Output: a score for
/// each target token, at each target position. With Z.shared all, source_vocabulary must be target_vocabulary. With
/// Z.vocabulary_parts above 1 as gpt has it: what a loss needs of the scores, for transformer_loss.
template <transformer_size Z>
struct transformer : detail::transformer_of<Z>::type {
  static_assert(
      Z.shared != sharing::all || Z.source_vocabulary == Z.target_vocabulary,
      "foal: cannot share one matrix over tokens, because the two vocabularies have different sizes; give them one");
  static constexpr transformer_size size = Z;
};

/// Its loss.
template <transformer_size Z>
using transformer_loss = loss_over<Z.target_vocabulary, Z.vocabulary_parts>;

}  // namespace foal::zoo
