// expected-error: cannot use these Versions with this Schedule: flush needs a synchronous schedule, live and stash need an
// Live weights on a synchronous schedule, which has but one version.
#include "net.hpp"

int main() {
  run<foal::schedule::gpipe, foal::versions::live> t({});
  return static_cast<int>(t.updates());
}
