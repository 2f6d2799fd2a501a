// The blocks of transformers: self-attention, attention to a memory, feed-forward, each with its skip connection.
#pragma once

#include <type_traits>

#include <foal/layer/attention.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/layer_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>
#include <foal/model/elements.hpp>

namespace foal::zoo {

/// Where a block has its norm: before what it adds (Wang et al. 2019), or after the sum (Vaswani et al. 2017).
enum class norm { before, after };

/// What is a stage: everything with weights, as PipeMare cuts; or a whole layer of the Transformer, for few workers, which
/// finer stages cost only memory.
enum class cut { weights, layers };

namespace detail {

/// Several elements as one.
template <class... Elements>
using together = repeat<1, Elements...>;

/// The elements of a Transformer's layer.
template <cut Cut, class... Elements>
using layer_of = std::conditional_t<Cut == cut::layers, stage<Elements...>, together<Elements...>>;

template <int Percent>
using dropout_or_nothing = std::conditional_t<Percent == 0, together<>, dropout<Percent == 0 ? 1 : Percent>>;

template <norm Where, int Percent, class... Elements>
struct block;
template <int Percent, class... Elements>
struct block<norm::before, Percent, Elements...> {
  using type = residual<layer_norm, Elements..., dropout_or_nothing<Percent>>;
};
template <int Percent, class... Elements>
struct block<norm::after, Percent, Elements...> {
  using type = together<residual<Elements..., dropout_or_nothing<Percent>>, layer_norm>;
};

struct keys_and_values;

}  // namespace detail

/// The positions of a sequence attend to each other. Stages: q, k and v in one projection with the attention behind it; the
/// output projection; the norm.
template <norm Where, int Width, int Heads, mask Mask = mask::none, class Lengths = void, int DropoutPercent = 0>
using self_attention_block =
    typename detail::block<Where, DropoutPercent, linear<3 * Width>, attention<Heads, Mask, Lengths>, linear<Width>>::type;

/// They attend to an entry Memory. As one stage: q from the sequence, k and v from the memory, and the attention.
template <norm Where, int Width, int Heads, class Memory, class Lengths = void, int DropoutPercent = 0>
using cross_attention_block = typename detail::block<
    Where, DropoutPercent,
    stage<linear<Width>, branch<Memory, detail::keys_and_values>, through<detail::keys_and_values, linear<2 * Width>>,
          cross_attention<Heads, detail::keys_and_values, Lengths>>,
    linear<Width>>::type;

/// Two linear layers at each position, Hidden wide between them.
template <norm Where, int Width, int Hidden, int DropoutPercent = 0, class Activation = relu>
using feed_forward_block = typename detail::block<Where, DropoutPercent, linear<Hidden>, Activation,
                                                  detail::dropout_or_nothing<DropoutPercent>, linear<Width>>::type;

}  // namespace foal::zoo
