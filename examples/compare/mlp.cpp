// A residual tanh MLP of 16 stages on 8 x 8 digits.
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>

#include "methods.hpp"

struct mlp_net : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<48>, foal::tanh,
                              foal::repeat<14, foal::residual<foal::linear<48>, foal::tanh>>, foal::linear<10>> {
  static constexpr double initial_gain = 1;
};

compare::network const& compare::mlp() {
  static network const n = make_network<mlp_net>("mlp", "residual tanh MLP 64-48x15-10, 8 x 8 grey images");
  return n;
}
