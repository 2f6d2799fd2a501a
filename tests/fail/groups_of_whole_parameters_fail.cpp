// expected-error: cannot average weights or group parameters around the Base of this optimizer, because that takes
// Parameter groups around muon, which chooses by parameter itself.
#include <foal/policy/optim/grouped.hpp>
#include <foal/policy/optim/muon.hpp>

#include "net.hpp"

int main() { return run<foal::schedule::pipemare, foal::optim::grouped<foal::optim::muon>>::stages; }
