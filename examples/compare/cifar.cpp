// A small ResNet with batch norm for 32 x 32 colour images; every layer with weights is a stage.
#include <foal/layer/avg_pool.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>

#include "methods.hpp"

namespace {

template <int Channels, int Stride = 1>
using conv3 = foal::conv<Channels, 3, Stride, 1, foal::bias::none>;

template <int Channels>
using block = foal::residual<conv3<Channels>, foal::batch_norm, foal::relu, conv3<Channels>, foal::batch_norm>;

}  // namespace

struct cifar_net : foal::stages<foal::input<3, 32, 32>, conv3<16, 2>, foal::batch_norm, foal::relu,
                                foal::repeat<2, block<16>, foal::relu>, conv3<32, 2>, foal::batch_norm, foal::relu,
                                block<32>, foal::relu, conv3<64, 2>, foal::batch_norm, foal::relu, block<64>, foal::relu,
                                foal::global_avg_pool, foal::linear<10>> {};

static_assert(foal::stage_count<cifar_net> == 23);

compare::network const& compare::cifar() {
  static network const n = make_network<cifar_net>("cifar", "small ResNet with batch norm, 32 x 32 colour images");
  return n;
}
