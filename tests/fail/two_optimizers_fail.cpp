// expected-error: optim::momentum, foal::optim::adam.*cannot use two policies of one role|cannot use two policies of one role.*optim::momentum, foal::optim::adam
// Momentum and Adam in one trainer: only one could act.
#include "net.hpp"

int main() {
  run<foal::schedule::pipemare, foal::optim::momentum, foal::optim::adam> t({});
  return static_cast<int>(t.updates());
}
