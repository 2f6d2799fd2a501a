// expected-error: cannot take microbatches from these Batches, because they lack inputs
// Batches that write no inputs.
#include "net.hpp"

struct labels_alone {
  void targets(long long, int* t) const { *t = 0; }
};

void train(run<foal::schedule::gpipe>& t) { t.run(labels_alone{}, {.minibatches = 3}); }

int main() {}
