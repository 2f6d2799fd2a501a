// expected-error: cannot join replicas by this policy, because it lacks a member; it needs static constexpr
// expected-lines: 40
// A policy of replicas that exchanges weights, and does not say what becomes of them.
#include "net.hpp"

struct half_average {
  using role = foal::role::replica;
  static constexpr char const* name = "half_average";
  static constexpr foal::replica::exchanged exchanges = foal::replica::exchanged::weights;
};

int main() { return run<foal::schedule::pipemare, half_average>::stages; }
