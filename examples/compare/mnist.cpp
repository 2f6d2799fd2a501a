// A residual convolutional net with batch norm for 28 x 28 grey images; every layer with weights is a stage.
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

struct mnist_net : foal::stages<foal::input<1, 28, 28>, conv3<16, 2>, foal::batch_norm, foal::relu, block<16>, foal::relu,
                                conv3<32, 2>, foal::batch_norm, foal::relu, foal::repeat<2, block<32>, foal::relu>,
                                foal::global_avg_pool, foal::linear<10>> {};

compare::network const& compare::mnist() {
  static network const n =
      make_network<mnist_net>("mnist", "residual convolutional net with batch norm, 28 x 28 grey images");
  return n;
}
