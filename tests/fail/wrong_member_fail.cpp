// expected-error: cannot call backward_weight of this delay policy, because it must be template <class S>
// A delay policy whose backward_weight does not take a moment.
#include "net.hpp"

struct typed_in_delay {
  using role = foal::role::delay;
  static constexpr char const* name = "typed in";
  static constexpr int states = 0;
  template <class S>
  auto backward_weight(char const* delay) const {
    return [delay](S w) { return delay != nullptr ? w : S(0); };
  }
};

int main() {
  run<foal::schedule::pipemare, typed_in_delay> t({});
  return static_cast<int>(t.updates());
}
