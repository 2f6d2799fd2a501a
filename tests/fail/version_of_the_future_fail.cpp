// expected-error: cannot train with these Versions on this Schedule, because Op .of Stage, and of the Microbatch at that position of minibatch k. reads version k . Asked, which is newer than the newest there
// A rule whose third forward of a minibatch reads weights that are not made yet.
#include "net.hpp"

struct ahead {
  using role = foal::role::versions;
  static constexpr char const* name = "ahead";

  static constexpr foal::schedule::version_read read(foal::schedule::version_table const& there, int stage, int j) {
    auto const newest = there.at(stage, j);
    return {newest.forward + (j == 2 ? 1 : 0), newest.recompute, newest.backward};
  }
};

int main() {
  run<foal::schedule::pipemare, ahead> t({});
  return static_cast<int>(t.updates());
}
