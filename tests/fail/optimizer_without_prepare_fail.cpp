// expected-error: cannot use this policy as an optimizer, because it lacks a member
// expected-lines: 36
// An optimizer that does not make the functor of an update.
#include "net.hpp"

struct lazy {
  using role = foal::role::optimizer;
  static constexpr char const* name = "lazy";
  static constexpr int states = 0;
};

int main() { return run<foal::schedule::pipemare, lazy>::stages; }
