// expected-error: cannot call summands of this delay policy, because it must be template <class S> functor
// A delay policy whose summands() does not take the moment.
#include "net.hpp"

struct by_size {
  using role = foal::role::delay;
  static constexpr char const* name = "by size";
  static constexpr int states = 0, sums = 1;
  template <class S>
  auto summands() const {
    return [](double* add, S g, S) { add[0] += static_cast<double>(g) * static_cast<double>(g); };
  }
  template <class S>
  auto gradient(foal::delay::moment m) const {
    return [large = m.sums[0] > 1](S g, S) { return large ? g / 2 : g; };
  }
};

int main() {
  run<foal::schedule::pipemare, by_size> t({.microbatches = 2});
  return static_cast<int>(t.updates());
}
