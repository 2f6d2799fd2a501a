// expected-error: cannot accumulate weight gradients by this policy, because it does not say when
// An accumulation that is neither with each microbatch nor once a minibatch.
#include "net.hpp"

struct sometimes {
  using role = foal::role::accumulation;
  static constexpr char const* name = "sometimes";
};

int main() { return run<foal::schedule::pipemare, sometimes>::stages; }
