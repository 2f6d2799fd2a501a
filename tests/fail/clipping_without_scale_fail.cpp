// expected-error: cannot clip gradients by this policy, because it lacks a member; it needs static constexpr foal::clip::scope
// expected-lines: 40
// A clipping that says whose norm it wants, and not what to do with it.
#include "net.hpp"

struct half_clip {
  using role = foal::role::clip;
  static constexpr char const* name = "half_clip";
  static constexpr foal::clip::scope norm_of = foal::clip::scope::stage;
};

int main() { return run<foal::schedule::pipemare, half_clip>::stages; }
