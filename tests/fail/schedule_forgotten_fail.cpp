// expected-error: cannot train with this Schedule, because it is none
// A policy follows the loss at once.
#include "net.hpp"

int main() {
  foal::trainer<net, foal::loss::cross_entropy, foal::optim::momentum> t({.workers = 2, .optim = {.momentum = 0.5}});
  return static_cast<int>(t.updates());
}
