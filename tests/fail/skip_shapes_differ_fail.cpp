// expected-error: [{]1, [^{]*[{]4, 1, 1, 1[}][^{]*[}], [^{]*[{]1, [^{]*[{]8, 1, 1, 1.*cannot add this skip, because the activations and the skip have the two different shapes|cannot add this skip, because the activations and the skip have the two different shapes.*[{]1, [^{]*[{]4, 1, 1, 1[}][^{]*[}], [^{]*[{]1, [^{]*[{]8, 1, 1, 1
// A residual whose layers change the shape that they are added to.
#include <foal/layer/linear.hpp>
#include <foal/model/stages.hpp>

struct net : foal::stages<foal::input<8>, foal::linear<8>, foal::residual<foal::linear<4>>> {};

int main() { return foal::stage_count<net>; }
