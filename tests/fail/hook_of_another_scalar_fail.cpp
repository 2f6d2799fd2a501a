// expected-error: cannot call this policy after an update, because its member does not take the stage as it is
// A hook that takes doubles, in a trainer that computes in float.
#include "net.hpp"

struct watch_doubles {
  using role = foal::role::hook;
  void after_update(foal::update_view<double> const&) {}
};

int main() {
  run<foal::schedule::pipemare, watch_doubles> t({});
  return static_cast<int>(t.updates());
}
