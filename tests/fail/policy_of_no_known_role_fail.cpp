// expected-error: cannot use this type as a policy, because its role is none that a trainer asks for
// A policy whose role is one's own, which nothing would ask.
#include "net.hpp"

struct my_role {};
struct thing {
  using role = my_role;
};

int main() { return run<foal::schedule::pipemare, thing>::stages; }
