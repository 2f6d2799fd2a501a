// expected-error: cannot make a model, because its first element is not foal::input
// A model that begins with a layer.
#include <foal/layer/linear.hpp>
#include <foal/model/stages.hpp>

struct net : foal::stages<foal::linear<8>, foal::linear<4>> {};

int main() { return foal::stage_count<net>; }
