// expected-error: cannot warm up by this policy, because it lacks a member; it needs long long minibatches and
// expected-lines: 40
// A warm-up that does not say with which program.
#include "net.hpp"

struct slow_start {
  using role = foal::role::warmup;
  static constexpr char const* name = "slow_start";
  long long minibatches = 10;
};

int main() { return run<foal::schedule::pipemare, slow_start>::stages; }
