// expected-error: cannot show this delay policy .Delay. as many states of this Optimizer as its sees_optimizer_states says
// A prediction from momentum, with an optimizer that has none.
#include <foal/policy/optim/sgd.hpp>

#include "net.hpp"

struct prediction {
  using role = foal::role::delay;
  static constexpr char const* name = "prediction";
  static constexpr int states = 0;
  static constexpr int sees_optimizer_states = 1;
  template <class S>
  auto forward_weight(foal::delay::moment m) const {
    return [step = static_cast<S>(m.lag * m.rate)](S w, S const& v) { return w - step * v; };
  }
};

int main() { return run<foal::schedule::pipemare, foal::optim::sgd, prediction>::stages; }
