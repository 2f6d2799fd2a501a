// expected-error: cannot chain these layers, because the Layer named here does not accept an input of the shape named here
// A linear layer takes features, but the model gives it an image.
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>
#include <foal/model/stages.hpp>

struct net : foal::stages<foal::input<1, 8, 8>, foal::relu, foal::linear<10>> {};

int main() { return foal::stage_count<net>; }
