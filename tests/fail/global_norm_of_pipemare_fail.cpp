// expected-error: cannot clip by the norm of the whole model .Clip. with this Schedule, because it is asynchronous
// The norm of a gradient that no stage of PipeMare ever has in one piece.
#include "net.hpp"

int main() { return run<foal::schedule::pipemare, foal::clip::global_norm>::stages; }
