// expected-error: cannot use this delay policy .Policy. with these Versions, because its correction of B has no effect
// T2 beside weight stashing: B already reads what F read.
#include "net.hpp"

int main() {
  run<foal::schedule::pipemare, foal::versions::stash, foal::delay::discrepancy_correction> t({});
  return static_cast<int>(t.updates());
}
