// expected-error: cannot train this Net, because it is a layer and not a model
// A layer stands where the model belongs.
#include "net.hpp"

int main() {
  foal::trainer<foal::linear<4>, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::adam> t(
      {.microbatches = 2});
  return static_cast<int>(t.updates());
}
