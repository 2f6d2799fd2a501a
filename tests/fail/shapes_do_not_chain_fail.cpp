// expected-error: foal::relu, foal::linear<10.*cannot chain these layers, because what comes out of the element Before|cannot chain these layers, because what comes out of the element Before.*foal::relu, foal::linear<10
// A linear layer takes features, but the model gives it an image.
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>
#include <foal/model/stages.hpp>

struct net : foal::stages<foal::input<1, 8, 8>, foal::relu, foal::linear<10>> {};

int main() { return foal::stage_count<net>; }
