// expected-error: cannot call move of this delay policy, because it must be template <class S> functor
// A delay policy whose move() wants to know the scalar by a value.
#include "net.hpp"

struct half_way {
  using role = foal::role::delay;
  static constexpr char const* name = "half way";
  static constexpr int states = 0;
  auto move(foal::delay::moment, float) const {
    return [](float after, float before, float) { return (after + before) / 2; };
  }
};

int main() {
  run<foal::schedule::pipemare, half_way> t({.microbatches = 2});
  return static_cast<int>(t.updates());
}
