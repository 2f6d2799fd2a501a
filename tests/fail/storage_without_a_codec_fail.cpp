// expected-error: cannot store activations as this policy .Storage. says, because it names no codec
// A policy that says that it converts, and not how.
#include "net.hpp"

struct my_half {
  using role = foal::role::storage;
  static constexpr char const* name = "my half";
  static constexpr bool converts = true;
};

int main() {
  run<foal::schedule::pipemare, my_half> t({});
  return static_cast<int>(t.updates());
}
