// expected-error: a functor that it gives does not take as many states.*move's .S after, S before, S g, S const& states
// A delay policy whose move() takes the weight after and before an update, and not the gradient.
#include "net.hpp"

struct half_way {
  using role = foal::role::delay;
  static constexpr char const* name = "half way";
  static constexpr int states = 0;
  template <class S>
  auto move(foal::delay::moment) const {
    return [](S after, S before) { return (after + before) / 2; };
  }
};

int main() {
  run<foal::schedule::pipemare, half_way> t({.microbatches = 2});
  return static_cast<int>(t.updates());
}
