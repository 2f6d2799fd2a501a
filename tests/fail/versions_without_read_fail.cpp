// expected-error: cannot use this policy as a rule of weight versions, because it lacks a member
// A rule of weight versions that does not say what is read.
#include "net.hpp"

struct silent {
  using role = foal::role::versions;
  static constexpr char const* name = "silent";
};

int main() {
  run<foal::schedule::pipemare, silent> t({});
  return static_cast<int>(t.updates());
}
