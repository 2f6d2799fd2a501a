// ResNet-20 (He et al. 2016, section 4.2) with group norm for 16 x 16 colour images; every layer with weights is a stage.
#include <foal/layer/avg_pool.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/group_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>

#include "train.hpp"
#include "widen.hpp"

namespace {

template <int Channels, int Stride = 1>
using conv3 = foal::conv<Channels, 3, Stride, 1, foal::bias::none>;

template <int Channels>
using block = foal::residual<conv3<Channels>, foal::group_norm<8>, foal::relu, conv3<Channels>, foal::group_norm<8>>;

/// Halves the image and doubles the channels; the skip connection is He's option A, without weights.
template <int Channels>
using narrowing = foal::residual<foal::shortcut<sweep::widen<2>>, conv3<Channels, 2>, foal::group_norm<8>, foal::relu,
                                 conv3<Channels>, foal::group_norm<8>>;

}  // namespace

struct sweep_resnet20 : foal::stages<foal::input<3, 16, 16>, conv3<16>, foal::group_norm<8>, foal::relu,
                                     foal::repeat<3, block<16>, foal::relu>, narrowing<32>, foal::relu,
                                     foal::repeat<2, block<32>, foal::relu>, narrowing<64>, foal::relu,
                                     foal::repeat<2, block<64>, foal::relu>, foal::global_avg_pool, foal::linear<10>> {
  static constexpr int padding = 2;  ///< training images are flipped, and cropped after padding by this
};

static_assert(foal::stage_count<sweep_resnet20> == 39);

sweep::network const& sweep::resnet20() {
  static network const n =
      make_network<sweep_resnet20>("resnet20", "ResNet-20 with group norm, 39 stages, 16 x 16 colour images");
  return n;
}
