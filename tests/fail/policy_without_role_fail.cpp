// expected-error: cannot use this type as a policy, because it does not say what it is for; add using role
// A struct that does not say which policy it replaces.
#include "net.hpp"

struct clever {};

int main() {
  run<foal::schedule::pipemare, clever> t({});
  return static_cast<int>(t.updates());
}
