// expected-error: cannot tie the Layer named here, because of it and the first layer of its group one is frozen
// One set of weights that is frozen here and trains there.
#include <foal/layer/linear.hpp>
#include <foal/model/stages.hpp>

struct shared;
struct net
    : foal::stages<foal::input<8>, foal::tied<shared, foal::linear<8>>, foal::frozen<foal::tied<shared, foal::linear<8>>>> {
};

int main() { return foal::stage_count<net>; }
