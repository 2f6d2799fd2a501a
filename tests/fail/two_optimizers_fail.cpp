// expected-error: cannot use two policies of one role, because only one of First and Second can act
// Momentum and Adam in one trainer: only one could act.
#include "net.hpp"

int main() {
  run<foal::schedule::pipemare, foal::optim::momentum, foal::optim::adam> t({});
  return static_cast<int>(t.updates());
}
