// expected-error: cannot send activations as this policy .Wire. says, because it names no codec
// A policy that says that it converts, and not how.
#include "net.hpp"

struct my_bytes {
  using role = foal::role::wire;
  static constexpr char const* name = "my bytes";
  static constexpr bool converts = true;
  bool feedback_forward = false, feedback_backward = false;
};

int main() {
  run<foal::schedule::pipemare, my_bytes> t({});
  return static_cast<int>(t.updates());
}
