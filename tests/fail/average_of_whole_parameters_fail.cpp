// expected-error: cannot average weights or group parameters around the Base of this optimizer, because that takes
// An average around muon, whose steps are no elementwise functor.
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/muon.hpp>

#include "net.hpp"

int main() { return run<foal::schedule::pipemare, foal::optim::averaged<foal::optim::muon>>::stages; }
