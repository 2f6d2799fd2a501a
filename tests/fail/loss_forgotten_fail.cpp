// expected-error: cannot train with this Loss, because it is no loss
// The schedule follows the net at once.
#include "net.hpp"

int main() {
  foal::trainer<net, foal::schedule::gpipe> t({.microbatches = 2});
  return static_cast<int>(t.updates());
}
