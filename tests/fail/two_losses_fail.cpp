// expected-error: cannot use this loss as a policy, because a trainer has one loss, its second argument
// A second loss, which nothing would ask.
#include <foal/layer/loss/mean_squared_error.hpp>

#include "net.hpp"

int main() { return run<foal::schedule::pipemare, foal::loss::mean_squared_error>::stages; }
