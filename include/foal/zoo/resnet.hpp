// Residual networks (He et al. 2015), cut into stages as PipeMare cuts them: every convolution, norm and product is one.
#pragma once

#include <type_traits>
#include <utility>

#include <foal/layer/avg_pool.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/group_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/max_pool.hpp>
#include <foal/layer/relu.hpp>
#include <foal/model/stages.hpp>

namespace foal::zoo {

/// What comes before the blocks. cifar: a 3 x 3 convolution that keeps the image's extent. imagenet: a 7 x 7 one with stride
/// 2, then the largest of each 3 x 3 window, stride 2.
enum class stem { cifar, imagenet };

/// basic: two 3 x 3 convolutions. bottleneck: 1 x 1, 3 x 3, and 1 x 1 to four times the channels; the 3 x 3 one has the
/// stride.
enum class residual_block { basic, bottleneck };

/// A network's ends; the defaults are CIFAR-10's.
struct resnet_size {
  stem first = stem::cifar;
  int channels = 3, height = 32, width = 32;  ///< of the images
  int classes = 10;
  int groups = 0;  ///< 0: batch_norm; else group_norm of so many groups
};

/// 224 x 224 images of 1000 classes.
inline constexpr resnet_size imagenet{.first = stem::imagenet, .height = 224, .width = 224, .classes = 1000};

/// What a block is after: the norm's groups (0: batch_norm), its channels (a bottleneck's narrow ones), the stride, and
/// whether the shape changes.
struct resnet_block_size {
  int groups = 0, channels = 64, stride = 1;
  bool projects = false;
};

namespace detail {

template <int Groups>
using image_norm = std::conditional_t<Groups == 0, batch_norm, group_norm<Groups == 0 ? 1 : Groups>>;

/// A convolution without bias and its norm: two stages.
template <int Groups, int Out, int Kernel, int Stride = 1>
using conv_norm = repeat<1, conv_no_bias<Out, Kernel, Stride>, image_norm<Groups>>;

template <residual_block Kind>
constexpr int expansion = Kind == residual_block::basic ? 1 : 4;

template <residual_block Kind, resnet_block_size Z>
struct branch_of;
template <resnet_block_size Z>
struct branch_of<residual_block::basic, Z> {
  using type = repeat<1, conv_norm<Z.groups, Z.channels, 3, Z.stride>, relu, conv_norm<Z.groups, Z.channels, 3>>;
};
template <resnet_block_size Z>
struct branch_of<residual_block::bottleneck, Z> {
  using type = repeat<1, conv_norm<Z.groups, Z.channels, 1>, relu, conv_norm<Z.groups, Z.channels, 3, Z.stride>, relu,
                      conv_norm<Z.groups, 4 * Z.channels, 1>>;
};

template <residual_block Kind, resnet_block_size Z, bool Projects = Z.projects>
struct block_of {
  using type = repeat<1, residual<typename branch_of<Kind, Z>::type>, relu>;
};
template <residual_block Kind, resnet_block_size Z>
struct block_of<Kind, Z, true> {
  using projection = shortcut<conv_norm<Z.groups, expansion<Kind> * Z.channels, 1, Z.stride>>;
  using type = repeat<1, residual<projection, typename branch_of<Kind, Z>::type>, relu>;
};

/// The last Count blocks of a group, which change no shape.
template <residual_block Kind, resnet_block_size Z, int Count>
struct blocks_of {
  using type = repeat<Count, typename block_of<Kind, Z>::type>;
};
template <residual_block Kind, resnet_block_size Z>
struct blocks_of<Kind, Z, 0> {
  using type = repeat<1>;
};

template <stem First, int Groups, int Channels>
struct stem_of {
  using type = repeat<1, conv_norm<Groups, Channels, 3>, relu>;
};
template <int Groups, int Channels>
struct stem_of<stem::imagenet, Groups, Channels> {
  using type = repeat<1, conv_norm<Groups, Channels, 7, 2>, relu, max_pool<3, 2, 1>>;
};

}  // namespace detail

/// branch(x) + x, or + a convolution and norm of x where it projects, and relu. Stages: of each convolution and each norm
/// one, the branch's first, then the projection's.
template <residual_block Kind, resnet_block_size Z>
using resnet_block = typename detail::block_of<Kind, Z>::type;

namespace detail {

/// Group g has Channels << g channels and, but for the first one, halves the image; its first block projects where the shape
/// changes.
template <residual_block Kind, int Groups, int Channels, int G, int Blocks>
struct group_of {
  static constexpr resnet_block_size later{.groups = Groups, .channels = Channels << G};
  static constexpr resnet_block_size first{.groups = Groups,
                                           .channels = Channels << G,
                                           .stride = G == 0 ? 1 : 2,
                                           .projects = (G > 0) || Kind == residual_block::bottleneck};
  using type = repeat<1, typename block_of<Kind, first>::type, typename blocks_of<Kind, later, Blocks - 1>::type>;
};

template <residual_block Kind, int Channels, resnet_size Z, class Indices, int... Blocks>
struct resnet_of;
template <residual_block Kind, int Channels, resnet_size Z, int... G, int... Blocks>
struct resnet_of<Kind, Channels, Z, std::integer_sequence<int, G...>, Blocks...> {
  using type = stages<input<Z.channels, Z.height, Z.width>, typename stem_of<Z.first, Z.groups, Channels>::type,
                      typename group_of<Kind, Z.groups, Channels, G, Blocks>::type..., global_avg_pool, linear<Z.classes>>;
};

}  // namespace detail

/// A residual network with as many blocks in each group as the list says, the first group with Channels channels, as many as
/// the stem makes.
template <residual_block Kind, int Channels, resnet_size Z, int... Blocks>
struct resnet : detail::resnet_of<Kind, Channels, Z, std::make_integer_sequence<int, static_cast<int>(sizeof...(Blocks))>,
                                  Blocks...>::type {
  static_assert(sizeof...(Blocks) > 0 && (... && (Blocks > 0)),
                "foal: cannot make a ResNet, because it has no group of blocks or a group without blocks; give "
                "foal::zoo::resnet<kind, channels, size, blocks of each group...> of at least one block each");
  static constexpr resnet_size size = Z;
};

/// For CIFAR (He et al. 2015, section 4.2): 3 groups of 3 basic blocks, 16 to 64 channels. The two skip connections that
/// change their shape are projections, the paper's option B; its small networks take option A, zeros for the new channels,
/// which has 2,752 parameters and 4 stages less.
template <resnet_size Z = resnet_size{}>
struct resnet20 : resnet<residual_block::basic, 16, Z, 3, 3, 3> {};

/// 107 stages: 53 convolutions, 53 norms and the classifier, whatever the stem.
template <resnet_size Z = resnet_size{}>
struct resnet50 : resnet<residual_block::bottleneck, 64, Z, 3, 4, 6, 3> {};

/// 311 stages.
template <resnet_size Z = resnet_size{}>
struct resnet152 : resnet<residual_block::bottleneck, 64, Z, 3, 8, 36, 3> {};

}  // namespace foal::zoo
