// expected-error: cannot use this delay policy, because a functor that it gives does not take as many states
// A delay policy that declares one state and whose functor takes two.
#include "net.hpp"

struct greedy {
  using role = foal::role::delay;
  static constexpr char const* name = "greedy";
  static constexpr int states = 1;
  template <class S>
  auto backward_weight(foal::delay::moment) const {
    return [](S w, S const& a, S const& b) { return w + a + b; };
  }
};

int main() {
  run<foal::schedule::pipemare, greedy> t({.microbatches = 2});
  return static_cast<int>(t.updates());
}
