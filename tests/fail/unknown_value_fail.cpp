// expected-error: a value is no member of config, or out of order
// expected-kind: no matching
// A value that a trainer has not; C++ gives a sentence no other place.
#include "net.hpp"

int main() {
  run<foal::schedule::pipemare> t({.microbatch_size = 4, .learning_rate = 0.1});
  return static_cast<int>(t.updates());
}
