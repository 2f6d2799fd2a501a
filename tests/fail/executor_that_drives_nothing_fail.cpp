// expected-error: cannot run on this executor, because it lacks
// An executor that says how many workers it takes, but does not drive them.
#include "net.hpp"

struct idle {
  using role = foal::role::executor;
  static constexpr char const* name = "idle";
  static constexpr bool threaded = true;
};

int main() {
  run<foal::schedule::pipemare, idle> t({});
  return static_cast<int>(t.updates());
}
