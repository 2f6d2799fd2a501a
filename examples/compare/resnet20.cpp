// ResNet-20 (He et al. 2016, section 4.2) with batch norm for 32 x 32 colour images; every layer with weights is a stage.
#include <foal/layer/avg_pool.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>

#include "methods.hpp"

namespace {

template <int Channels, int Kernel = 3, int Stride = 1>
using conv = foal::conv<Channels, Kernel, Stride, (Kernel - 1) / 2, foal::bias::none>;

template <int Channels>
using block = foal::residual<conv<Channels>, foal::batch_norm, foal::relu, conv<Channels>, foal::batch_norm>;

/// Halves the image and widens it; the skip connection is a strided 1 x 1 projection.
template <int Channels>
using narrowing = foal::residual<foal::shortcut<conv<Channels, 1, 2>>, conv<Channels, 3, 2>, foal::batch_norm, foal::relu,
                                 conv<Channels>, foal::batch_norm>;

}  // namespace

struct resnet20_net
    : foal::stages<foal::input<3, 32, 32>, conv<16>, foal::batch_norm, foal::relu, foal::repeat<3, block<16>, foal::relu>,
                   narrowing<32>, foal::relu, foal::repeat<2, block<32>, foal::relu>, narrowing<64>, foal::relu,
                   foal::repeat<2, block<64>, foal::relu>, foal::global_avg_pool, foal::linear<10>> {};

static_assert(foal::stage_count<resnet20_net> == 41);

compare::network const& compare::resnet20() {
  static network const n = make_network<resnet20_net>("resnet20", "ResNet-20 with batch norm, 32 x 32 colour images");
  return n;
}
