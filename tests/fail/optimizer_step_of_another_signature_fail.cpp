// expected-error: cannot use this optimizer per parameter, because it lacks step.., or that has another signature
// An optimizer that takes parameters as a whole, whose step() does not take the scratch.
#include "net.hpp"

struct halves {
  using role = foal::role::optimizer;
  static constexpr char const* name = "halves";
  static constexpr int states = 0;
  static constexpr bool per_parameter = true;
  template <class D, class S>
  void step(D&, foal::shape, S*, S*) const {}
};

int main() { return run<foal::schedule::pipemare, halves>::stages; }
