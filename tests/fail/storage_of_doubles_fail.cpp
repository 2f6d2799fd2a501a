// expected-error: cannot store the activations of the scalar type S as Storage on this Device
// bfloat16 of doubles: the host converts floats.
#include "net.hpp"

int main() {
  run<foal::schedule::pipemare, foal::storage::bfloat16, foal::scalar<double>> t({});
  return static_cast<int>(t.updates());
}
