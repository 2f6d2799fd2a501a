// expected-error: cannot use this delay policy .Policy. with this Schedule, because it has no effect: the schedule is
// synchronous T2 on GPipe, where no weight is ever stale.
#include "net.hpp"

int main() {
  run<foal::schedule::gpipe, foal::delay::discrepancy_correction> t({});
  return static_cast<int>(t.updates());
}
