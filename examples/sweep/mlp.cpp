// A residual tanh MLP of 16 stages, 64-48x15-10, for 8 x 8 digits.
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>

#include "train.hpp"

struct sweep_mlp : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<48>, foal::tanh,
                                foal::repeat<14, foal::residual<foal::linear<48>, foal::tanh>>, foal::linear<10>> {
  static constexpr double initial_gain = 1;  ///< keeps the variance of tanh units
};

static_assert(foal::stage_count<sweep_mlp> == 16);

sweep::network const& sweep::mlp() {
  static network const n = make_network<sweep_mlp>("mlp", "residual tanh MLP 64-48x15-10, 16 stages, 8 x 8 digits");
  return n;
}
