// expected-error: cannot use this policy as an optimizer, because the functor that its prepare.. gives does not take as many
// An optimizer that declares one state and whose functor takes none.
#include "net.hpp"

struct forgetful {
  using role = foal::role::optimizer;
  static constexpr char const* name = "forgetful";
  static constexpr int states = 1;
  template <class S>
  auto prepare(double rate, long long) const {
    return [rate = static_cast<S>(rate)](S& w, S g) { w -= rate * g; };
  }
};

int main() {
  run<foal::schedule::pipemare, forgetful> t({.microbatches = 2});
  return static_cast<int>(t.updates());
}
