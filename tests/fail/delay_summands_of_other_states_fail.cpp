// expected-error: a functor that it gives does not take as many states.*summands' .double. add, S g, S w, S const& states
// A delay policy that declares one state, and whose summands() takes none.
#include "net.hpp"

struct by_size {
  using role = foal::role::delay;
  static constexpr char const* name = "by size";
  static constexpr int states = 1, sums = 1;
  template <class S>
  auto summands(foal::delay::moment) const {
    return [](double* add, S g, S) { add[0] += static_cast<double>(g) * static_cast<double>(g); };
  }
  template <class S>
  auto gradient(foal::delay::moment m) const {
    return [large = m.sums[0] > 1](S g, S, S const&) { return large ? g / 2 : g; };
  }
};

int main() {
  run<foal::schedule::pipemare, by_size> t({.microbatches = 2});
  return static_cast<int>(t.updates());
}
