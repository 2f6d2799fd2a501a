// A residual tanh MLP of 40 stages, 16-32x39-8, for the random teacher's task.
#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>

#include "shrink.hpp"
#include "train.hpp"

struct sweep_deep40
    : foal::stages<foal::input<16>, foal::linear<32>, foal::tanh,
                   foal::repeat<38, foal::residual<foal::linear<32>, foal::tanh, sweep::shrink<6>>>, foal::linear<8>> {
  static constexpr double initial_gain = 1;  ///< keeps the variance of tanh units
};

static_assert(foal::stage_count<sweep_deep40> == 40);

sweep::network const& sweep::deep40() {
  static network const n =
      make_network<sweep_deep40>("deep40", "residual tanh MLP 16-32x39-8, 40 stages, a random teacher's labels");
  return n;
}
