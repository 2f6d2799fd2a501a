// expected-error: cannot write averaged weights, because the optimizer of this Trainer keeps no average
// The averaged weights of an optimizer that averages nothing.
#include <foal/checkpoint/safetensors.hpp>

#include "net.hpp"

void keep(run<foal::schedule::pipemare, foal::optim::momentum> const& t) {
  foal::checkpoint::write_averaged_safetensors("w.safetensors", t);
}

int main() {}
