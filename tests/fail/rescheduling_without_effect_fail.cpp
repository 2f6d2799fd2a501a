// expected-error: cannot use T1 .foal::lr::reschedule. with this Schedule, because it has no effect
// T1 on GPipe, where every delay is 0.
#include "net.hpp"

int main() {
  run<foal::schedule::gpipe, foal::lr::reschedule<foal::lr::constant>> t({});
  return static_cast<int>(t.updates());
}
