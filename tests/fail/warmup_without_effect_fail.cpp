// expected-error: cannot use T3 .foal::warmup::synchronous. with this Schedule, because it has no effect
// T3 before GPipe, which is synchronous from the start.
#include "net.hpp"

int main() {
  run<foal::schedule::gpipe, foal::warmup::synchronous> t({});
  return static_cast<int>(t.updates());
}
