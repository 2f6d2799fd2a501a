// expected-error: cannot add this skip, because the activations and the skip have the two different shapes named here
// A residual whose layers change the shape that they are added to.
#include <foal/layer/linear.hpp>
#include <foal/model/stages.hpp>

struct net : foal::stages<foal::input<8>, foal::linear<8>, foal::residual<foal::linear<4>>> {};

int main() { return foal::stage_count<net>; }
