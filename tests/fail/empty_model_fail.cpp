// expected-error: cannot make a model, because foal::stages has no layers; add layers after foal::input
// A model of nothing but its input.
#include <foal/model/stages.hpp>

struct net : foal::stages<foal::input<8>> {};

int main() { return foal::stage_count<net>; }
