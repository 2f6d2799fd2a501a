// expected-error: cannot change each microbatch's gradient by this delay policy .Delay. with this Accumulation
// A policy for each microbatch's gradient where one product takes all of a minibatch.
#include <foal/policy/accumulate.hpp>

#include "net.hpp"

struct compensation {
  using role = foal::role::delay;
  static constexpr char const* name = "compensation";
  static constexpr int states = 0;
  template <class S>
  auto microbatch_gradient(foal::delay::moment) const {
    return [](S g, S now, S then) { return g + g * g * (now - then); };
  }
};

int main() { return run<foal::schedule::pipemare, foal::accumulate::thick, compensation>::stages; }
