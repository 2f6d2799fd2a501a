// expected-error: cannot train with this Loss and this Schedule, because they are swapped
// The schedule stands where the loss belongs.
#include "net.hpp"

int main() {
  foal::trainer<net, foal::schedule::pipemare, foal::loss::cross_entropy, foal::optim::momentum> t(
      {.microbatches = 2, .optim = {.momentum = 0.5}, .lr = {.rate = 0.1}});
  return static_cast<int>(t.updates());
}
