// expected-error: cannot use this delay policy .Policy. with these Versions, because its correction of B has no effect
// T2 beside two versions of the weights: F and B of a microbatch read the same one.
#include "net.hpp"

int main() {
  run<foal::schedule::pipemare, foal::versions::double_buffered, foal::delay::discrepancy_correction> t({});
  return static_cast<int>(t.updates());
}
