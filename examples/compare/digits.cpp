// A residual convolutional net with batch norm for 8 x 8 digits; every layer with weights is a stage.
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

struct digits_net : foal::stages<foal::input<1, 8, 8>, conv3<16>, foal::batch_norm, foal::relu,
                                 foal::repeat<2, block<16>, foal::relu>, conv3<32, 2>, foal::batch_norm, foal::relu,
                                 block<32>, foal::relu, foal::global_avg_pool, foal::linear<10>> {};

static_assert(foal::stage_count<digits_net> >= 16);

compare::network const& compare::digits() {
  static network const n =
      make_network<digits_net>("digits", "residual convolutional net with batch norm, 8 x 8 grey images");
  return n;
}
