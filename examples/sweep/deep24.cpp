// A residual tanh MLP of 24 stages, 16-32x23-8, for the random teacher's task.
#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>

#include "shrink.hpp"
#include "train.hpp"

struct sweep_deep24
    : foal::stages<foal::input<16>, foal::linear<32>, foal::tanh,
                   foal::repeat<22, foal::residual<foal::linear<32>, foal::tanh, sweep::shrink<6>>>, foal::linear<8>> {
  static constexpr double initial_gain = 1;  ///< keeps the variance of tanh units
};

static_assert(foal::stage_count<sweep_deep24> == 24);

sweep::network const& sweep::deep24() {
  static network const n =
      make_network<sweep_deep24>("deep24", "residual tanh MLP 16-32x23-8, 24 stages, a random teacher's labels");
  return n;
}
