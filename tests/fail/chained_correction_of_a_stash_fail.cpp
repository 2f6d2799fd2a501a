// expected-error: cannot use this delay policy .Policy. with these Versions, because its correction of B has no effect
// T2 beside weight stashing, hidden in a chain: B already reads what F read.
#include <foal/policy/delay/chain.hpp>

#include "net.hpp"

using hidden = foal::delay::chain<foal::delay::none, foal::delay::discrepancy_correction>;

int main() {
  run<foal::schedule::pipemare, foal::versions::stash, hidden> t({});
  return static_cast<int>(t.updates());
}
