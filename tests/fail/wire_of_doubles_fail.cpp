// expected-error: cannot send activations of the scalar type S as Wire on this Device
// 8-bit integers of doubles: the host quantises floats.
#include "net.hpp"

int main() {
  run<foal::schedule::pipemare, foal::wire::int8, foal::scalar<double>> t({});
  return static_cast<int>(t.updates());
}
