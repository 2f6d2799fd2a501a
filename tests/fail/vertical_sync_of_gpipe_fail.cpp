// expected-error: live and stash need an asynchronous one, as all rules do that read no older weights than there are
// Vertical sync on a synchronous schedule, where every stage has the same version anyway.
#include "net.hpp"

int main() {
  run<foal::schedule::gpipe, foal::versions::vertical_sync> t({});
  return static_cast<int>(t.updates());
}
